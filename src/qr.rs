// SPDX-License-Identifier: GPL-3.0-or-later
//! Text as a QR code: for a terminal, as SVG, as PNG.
//!
//! All forms have the quiet zone of four modules that ISO 18004 asks for, and say explicitly which modules are dark, so
//! that a camera sees the same on a dark and on a light screen.

use std::fmt;

use qrcode::render::svg;
use qrcode::{Color, EcLevel, Version};
use zeroize::Zeroizing;

/// Light modules on each side.
// ISO 18004, 6.3.8
const QUIET_ZONE: usize = 4;
/// Pixels of a module in an image.
// A phone across a table needs about three; a code of version 15 is then 680 pixels wide, and fits on every screen.
const PIXELS: usize = 8;

/// A text as a QR code with error correction level M: the smallest that holds it.
///
/// # Examples
/// ```
/// use tails_server::qr::{Paint, QrCode};
///
/// let code = QrCode::new("TAILS-SERVER:TAILSINV")?;
/// assert_eq!(code.version(), 2);
/// let shown = code.terminal(Paint::DarkOnLight);
/// // 25 modules and 2 * 4 of quiet zone; each line has two rows.
/// assert_eq!((shown.lines().count(), shown.lines().next().map(|line| line.chars().count())), (17, Some(33)));
/// # Ok::<(), tails_server::qr::TooLong>(())
/// ```
pub struct QrCode(qrcode::QrCode);

/// How to paint a code with characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Paint {
    /// With colours, right on every terminal that has 256 of them: black on white, whatever its theme.
    Colours,
    /// With characters alone, where text is dark on light: paper, editors, mail.
    DarkOnLight,
    /// With characters alone, where text is light on dark: most terminals.
    LightOnDark,
}

impl QrCode {
    /// The code of a text. Capitals and digits take much less room than other letters.
    ///
    /// # Errors
    /// No QR code has room for it.
    pub fn new(text: &str) -> Result<Self, TooLong> {
        qrcode::QrCode::with_error_correction_level(text, EcLevel::M).map(Self).map_err(|_| TooLong)
    }

    /// Its version, 1 to 40: it has `17 + 4 * version` modules on each side.
    #[must_use]
    pub fn version(&self) -> u16 {
        match self.0.version() {
            Version::Normal(version) | Version::Micro(version) => version.unsigned_abs(),
        }
    }

    /// The code for a terminal: lines of half blocks, each with two rows of modules. It shows what the text shows.
    #[must_use]
    pub fn terminal(&self, paint: Paint) -> Zeroizing<String> {
        // Numbers from the fixed part of the palette: themes change what "black" and "white" mean.
        let (begin, end) = match paint {
            Paint::Colours => ("\x1b[38;5;16;48;5;231m", "\x1b[0m\n"),
            Paint::DarkOnLight | Paint::LightOnDark => ("", "\n"),
        };
        let is_ink = |row, column| match paint {
            Paint::Colours | Paint::DarkOnLight => self.is_dark(row, column),
            Paint::LightOnDark => !self.is_dark(row, column),
        };
        let size = self.size();
        let line = begin.len() + size * "█".len() + end.len();
        let mut text = Zeroizing::new(String::with_capacity(size.div_ceil(2) * line));
        for row in (0..size).step_by(2) {
            text.push_str(begin);
            text.extend((0..size).map(|column| match (is_ink(row, column), is_ink(row + 1, column)) {
                (true, true) => '█',
                (true, false) => '▀',
                (false, true) => '▄',
                (false, false) => ' ',
            }));
            text.push_str(end);
        }
        text
    }

    /// The code as a file of the type SVG.
    #[must_use]
    pub fn svg(&self) -> Zeroizing<String> {
        let pixels = u32::try_from(PIXELS).expect("8 is a small number");
        Zeroizing::new(self.0.render::<svg::Color<'_>>().module_dimensions(pixels, pixels).build())
    }

    /// The code as a file of the type PNG: black and white, eight pixels for each module.
    #[must_use]
    pub fn png(&self) -> Zeroizing<Vec<u8>> {
        let size = self.size();
        let side = size * PIXELS;
        // One bit is one pixel, eight are a byte and a module: PIXELS, and the rows that repeat.
        let row = |row: usize| (0..size).map(move |column| if self.is_dark(row, column) { 0x00 } else { 0xff });
        let pixels = Zeroizing::new((0..side).flat_map(|line| row(line / PIXELS)).collect::<Vec<u8>>());
        let side = u32::try_from(side).expect("the largest code has 185 modules on each side");
        let mut file = Zeroizing::new(Vec::new());
        let mut encoder = png::Encoder::new(&mut *file, side, side);
        encoder.set_color(png::ColorType::Grayscale);
        encoder.set_depth(png::BitDepth::One);
        encoder
            .write_header()
            .and_then(|mut writer| writer.write_image_data(&pixels).and_then(|()| writer.finish()))
            .expect("memory takes all that is written, and the image has the size that its head says");
        file
    }

    /// Modules on each side, with the quiet zone.
    fn size(&self) -> usize {
        self.0.width() + 2 * QUIET_ZONE
    }

    /// Whether a module is dark; everything around the code is light.
    fn is_dark(&self, row: usize, column: usize) -> bool {
        let inside = |at: usize| at.checked_sub(QUIET_ZONE).filter(|at| *at < self.0.width());
        match (inside(row), inside(column)) {
            (Some(row), Some(column)) => self.0[(column, row)] == Color::Dark,
            (None, _) | (_, None) => false,
        }
    }
}

impl fmt::Debug for QrCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The modules are the text.
        write!(formatter, "QrCode(version {})", self.version())
    }
}

/// More text than fits in any QR code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the text is too long for a QR code")]
pub struct TooLong;

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "TAILS-SERVER:TAILSINVAEAM2AIAEDLVVAMCMI";

    /// What a camera reads from dark and light modules.
    fn scan(side: usize, is_dark: impl Fn(usize, usize) -> bool) -> String {
        let scale = 4;
        let mut image = rqrr::PreparedImage::prepare_from_greyscale(side * scale, side * scale, |x, y| {
            if is_dark(y / scale, x / scale) { 0 } else { 255 }
        });
        let grids = image.detect_grids();
        assert_eq!(grids.len(), 1);
        grids[0].decode().unwrap().1
    }

    /// Rows of modules from lines of half blocks: whether there is ink.
    fn ink(text: &str) -> Vec<Vec<bool>> {
        let rows = text.lines().flat_map(|line| {
            let upper = line.chars().map(|c| matches!(c, '█' | '▀')).collect();
            let lower = line.chars().map(|c| matches!(c, '█' | '▄')).collect();
            [upper, lower]
        });
        rows.collect()
    }

    #[test]
    fn a_camera_reads_every_form_for_the_terminal() {
        let code = QrCode::new(TEXT).unwrap();
        for (paint, ink_is_dark) in [(Paint::Colours, true), (Paint::DarkOnLight, true), (Paint::LightOnDark, false)] {
            let text = code.terminal(paint);
            let plain = text.replace("\x1b[38;5;16;48;5;231m", "").replace("\x1b[0m", "");
            assert!(plain.chars().all(|c| " █▀▄\n".contains(c)), "{plain:?}");
            assert_eq!(text.contains('\x1b'), paint == Paint::Colours);
            let rows = ink(&plain);
            assert!(rows.iter().all(|row| row.len() == code.size()));
            assert_eq!(scan(code.size(), |row, column| rows[row][column] == ink_is_dark), TEXT, "{paint:?}");
        }
    }

    #[test]
    fn a_camera_reads_the_png() {
        let code = QrCode::new(TEXT).unwrap();
        let file = code.png();
        let mut reader = png::Decoder::new(std::io::Cursor::new(&*file)).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        let side = usize::try_from(info.width).unwrap();
        assert_eq!((info.width, info.height), (296, 296));
        let dark = |x: usize, y: usize| pixels[y * info.line_size + x / 8] >> (7 - x % 8) & 1 == 0;
        let mut image =
            rqrr::PreparedImage::prepare_from_greyscale(side, side, |x, y| if dark(x, y) { 0 } else { 255 });
        assert_eq!(image.detect_grids()[0].decode().unwrap().1, TEXT);
        assert!((0..side).all(|at| (0..32).all(|edge| !dark(at, edge) && !dark(edge, at))), "the quiet zone is dark");
    }

    #[test]
    fn a_camera_reads_the_svg() {
        let code = QrCode::new(TEXT).unwrap();
        let file = code.svg();
        let side = code.size();
        let mut pixels = vec![false; side * side];
        // Each dark module or row of them is "Mx yhWvHHxVy".
        let path = file.split("d=\"").nth(1).unwrap().split('"').next().unwrap();
        for part in path.split('M').skip(1) {
            let numbers: Vec<usize> = part.split(|c: char| !c.is_ascii_digit()).map(|n| n.parse().unwrap()).collect();
            let [x, y, width, height, ..] = numbers[..] else { panic!("{part}") };
            for row in y / PIXELS..(y + height) / PIXELS {
                for column in x / PIXELS..(x + width) / PIXELS {
                    pixels[row * side + column] = true;
                }
            }
        }
        assert_eq!(scan(side, |row, column| pixels[row * side + column]), TEXT);
    }

    #[test]
    fn what_is_too_long_for_any_code_is_refused() {
        let most = "A".repeat(3391);
        assert_eq!(QrCode::new(&most).map(|code| code.version()).ok(), Some(40));
        assert_eq!(QrCode::new(&format!("{most}A")).err(), Some(TooLong));
    }

    #[test]
    fn debug_has_no_modules() {
        assert_eq!(format!("{:?}", QrCode::new(TEXT).unwrap()), "QrCode(version 3)");
    }
}
