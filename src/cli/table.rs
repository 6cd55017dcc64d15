// SPDX-License-Identifier: GPL-3.0-or-later
//! Tables that fit the terminal. In a pipe nothing is cut.

use crate::cli::terminal::{Screen, Tone, cut, harmless, width, wrap};

/// Columns between two cells.
const GAP: usize = 2;
/// The sign in front, and the column after it.
const SIGN: usize = 2;
/// How far notes are indented.
const INDENT: usize = 4;
/// A name is not recognised by less; then each row becomes a paragraph.
const LEAST: usize = 10;

/// Rows below headings, with notes below the rows.
#[derive(Debug)]
pub(super) struct Table {
    headings: Vec<String>,
    /// The columns that may be cut, the first first.
    elastic: Vec<usize>,
    rows: Vec<Line>,
}

/// A row of a table.
#[derive(Debug)]
pub(super) struct Line {
    /// A sign that says at a glance what the tone says, for those who see no colours.
    pub(super) sign: char,
    pub(super) tone: Tone,
    /// A cell for each heading; the second one has the tone.
    pub(super) cells: Vec<String>,
    /// What is to be said below it.
    pub(super) notes: Vec<String>,
}

impl Table {
    /// A table with these headings. Of these columns the text is cut where the terminal is too narrow.
    pub(super) fn new(headings: Vec<String>, elastic: Vec<usize>) -> Self {
        Self { headings, elastic, rows: Vec::new() }
    }

    pub(super) fn add(&mut self, mut row: Line) {
        for text in row.cells.iter_mut().chain(&mut row.notes) {
            *text = harmless(text);
        }
        self.rows.push(row);
    }

    /// The table in lines that fit.
    pub(super) fn lines(&self, screen: Screen) -> Vec<String> {
        match self.widths(screen.width) {
            Some(widths) => self.as_columns(&widths, screen),
            None => self.as_paragraphs(screen),
        }
    }

    /// How wide each column is; nothing if they do not fit side by side.
    fn widths(&self, columns: Option<usize>) -> Option<Vec<usize>> {
        let cells = self.rows.iter().map(|row| &row.cells).chain([&self.headings]);
        let mut widths = vec![0; self.headings.len()];
        for (at, columns) in cells.flat_map(|cells| widths_of(cells)) {
            if let Some(known) = widths.get_mut(at) {
                *known = (*known).max(columns);
            }
        }
        let Some(columns) = columns else { return Some(widths) };
        let taken = SIGN + widths.iter().sum::<usize>() + GAP * widths.len().saturating_sub(1);
        let mut missing = taken.saturating_sub(columns);
        for at in &self.elastic {
            if let Some(known) = widths.get_mut(*at) {
                let given = missing.min(known.saturating_sub(LEAST));
                *known -= given;
                missing -= given;
            }
        }
        (missing == 0).then_some(widths)
    }

    fn as_columns(&self, widths: &[usize], screen: Screen) -> Vec<String> {
        let mut lines = Vec::new();
        let headings: Vec<(String, Tone)> = self.headings.iter().map(|text| (text.clone(), Tone::Heading)).collect();
        lines.push(beside(' ', Tone::Plain, &headings, widths, screen));
        for row in &self.rows {
            let tone = |at| if at == 1 { row.tone } else { Tone::Plain };
            let cells: Vec<(String, Tone)> =
                row.cells.iter().enumerate().map(|(at, text)| (text.clone(), tone(at))).collect();
            lines.push(beside(row.sign, row.tone, &cells, widths, screen));
            lines.extend(row.notes.iter().flat_map(|note| indented(note, INDENT, screen)));
        }
        lines
    }

    /// For terminals that are too narrow for columns.
    fn as_paragraphs(&self, screen: Screen) -> Vec<String> {
        let mut lines = Vec::new();
        for row in &self.rows {
            let mut cells = self.headings.iter().zip(&row.cells);
            if let Some((_, name)) = cells.next() {
                let room = screen.width.map_or(usize::MAX, |columns| columns.saturating_sub(SIGN));
                let mut name = wrap(name, room).into_iter();
                let sign = screen.toned(&row.sign.to_string(), row.tone);
                lines.push(format!("{sign} {}", name.next().unwrap_or_default()));
                lines.extend(name.map(|rest| format!("{:SIGN$}{rest}", "")));
            }
            for (heading, cell) in cells.filter(|(_, cell)| !cell.is_empty()) {
                lines.extend(indented(&format!("{heading}: {cell}"), SIGN, screen));
            }
            lines.extend(row.notes.iter().flat_map(|note| indented(note, SIGN, screen)));
        }
        lines
    }
}

fn widths_of(cells: &[String]) -> impl Iterator<Item = (usize, usize)> + '_ {
    cells.iter().map(|cell| width(cell)).enumerate()
}

/// A line of a table; nothing follows its last letter.
fn beside(sign: char, tone: Tone, cells: &[(String, Tone)], widths: &[usize], screen: Screen) -> String {
    let mut line = screen.toned(&sign.to_string(), if sign == ' ' { Tone::Plain } else { tone });
    let mut gap = SIGN - 1;
    for ((text, tone), columns) in cells.iter().zip(widths) {
        let shown = cut(text, *columns);
        if !shown.is_empty() {
            line.push_str(&" ".repeat(gap));
            line.push_str(&screen.toned(&shown, *tone));
            gap = 0;
        }
        gap += columns - width(&shown) + GAP;
    }
    line.trim_end().to_owned()
}

/// The text in indented lines that fit.
pub(super) fn indented(text: &str, indent: usize, screen: Screen) -> Vec<String> {
    let lines = match screen.width {
        Some(columns) => wrap(text, columns.saturating_sub(indent)),
        None => vec![text.to_owned()],
    };
    lines.into_iter().map(|line| format!("{:indent$}{line}", "")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new(["NAME", "STATE", "SINCE"].map(str::to_owned).to_vec(), vec![0]);
        let mut add = |sign, tone, cells: [&str; 3], notes: &[&str]| {
            let notes = notes.iter().map(|note| (*note).to_owned()).collect();
            table.add(Line { sign, tone, cells: cells.map(str::to_owned).to_vec(), notes });
        };
        add('+', Tone::Good, ["web", "published", "3 min"], &[]);
        add('!', Tone::Bad, ["a-name-of-twenty-one", "failed", "12 s"], &["nothing listens on 127.0.0.1:8080"]);
        add('~', Tone::Moving, ["日本語", "starting", ""], &[]);
        table
    }

    fn shown(columns: impl Into<Option<usize>>) -> String {
        table().lines(Screen { width: columns.into(), ..Screen::PLAIN }).join("\n")
    }

    #[test]
    fn columns_are_as_wide_as_what_is_in_them() {
        let wide = "  \
  NAME                  STATE      SINCE
+ web                   published  3 min
! a-name-of-twenty-one  failed     12 s
    nothing listens on 127.0.0.1:8080
~ 日本語                starting";
        assert_eq!(shown(80), wide);
        assert_eq!(shown(None), wide, "in a pipe nothing is cut");
    }

    #[test]
    fn a_long_name_is_cut_before_the_lines_are_too_long() {
        let narrow = "  \
  NAME        STATE      SINCE
+ web         published  3 min
! a-name-of…  failed     12 s
    nothing listens on
    127.0.0.1:8080
~ 日本語      starting";
        assert_eq!(shown(30), narrow);
    }

    #[test]
    fn where_columns_do_not_fit_each_row_is_a_paragraph() {
        let narrow = "\
+ web
  STATE: published
  SINCE: 3 min
! a-name-of-twenty-o
  ne
  STATE: failed
  SINCE: 12 s
  nothing listens on
  127.0.0.1:8080
~ 日本語
  STATE: starting";
        assert_eq!(shown(20), narrow);
    }

    #[test]
    fn no_line_is_wider_than_the_terminal() {
        for columns in 6..100 {
            let lines = shown(columns);
            assert!(lines.lines().all(|line| width(line) <= columns), "{columns}:\n{lines}");
        }
    }

    #[test]
    fn colours_change_no_column() {
        let colourful = Screen { width: Some(80), colours: true, redraws: true };
        let mut bare = table().lines(colourful).join("\n");
        assert!(bare.contains("\x1b[31mfailed\x1b[0m"), "{bare}");
        for code in ["\x1b[0m", "\x1b[1m", "\x1b[31m", "\x1b[32m", "\x1b[33m"] {
            bare = bare.replace(code, "");
        }
        assert_eq!(bare, shown(80));
    }
}
