// SPDX-License-Identifier: GPL-3.0-or-later
//! Names in the tar, and where links lead.

use tails_server_state::ServiceName;

use super::{MOST_DEPTH, ROOT};

/// The longest name in a directory, in bytes. NAME_MAX of Linux
const MOST_NAME_BYTES: usize = 255;

/// Where something of the data of a service is.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Inside {
    pub(super) service: ServiceName,
    /// The directory that is kept, as root's helper calls it.
    pub(super) directory: String,
    /// The names below it.
    pub(super) below: Vec<Vec<u8>>,
}

impl Inside {
    /// Of a name in the tar; nothing if it could lead anywhere else.
    pub(super) fn parse(path: &[u8]) -> Option<Self> {
        let path = path.strip_suffix(b"/").unwrap_or(path);
        let mut names = path.split(|byte| *byte == b'/');
        if names.next()? != ROOT.as_bytes() {
            return None;
        }
        let service = std::str::from_utf8(names.next()?).ok()?.parse().ok()?;
        let directory = std::str::from_utf8(names.next().filter(|name| is_name(name))?).ok()?.to_owned();
        let below: Vec<_> = names.map(|name| is_name(name).then(|| name.to_owned())).collect::<Option<_>>()?;
        (below.len() <= MOST_DEPTH).then_some(Self { service, directory, below })
    }
}

fn is_name(name: &[u8]) -> bool {
    !matches!(name, b"" | b"." | b"..") && name.len() <= MOST_NAME_BYTES && !name.contains(&0) && !name.contains(&b'/')
}

/// Whether a link in a directory so deep inside of what is kept leads to something inside, by way of no matter how many others
/// of which the same is true.
///
/// Steps up come first, and from a directory that is none of a link: so they lead to where they seem to. A step up behind a name
/// may come from anywhere, as that name may be a link.
pub(super) fn stays_inside(target: &[u8], depth: usize) -> bool {
    if target.is_empty() || target.starts_with(b"/") || target.contains(&0) {
        return false;
    }
    let names: Vec<_> = target.split(|byte| *byte == b'/').filter(|name| !matches!(*name, b"" | b".")).collect();
    let up = names.iter().take_while(|name| **name == b"..").count();
    up <= depth && !names.iter().skip(up).any(|name| *name == b"..")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_could_lead_elsewhere_is_none() {
        let deep = format!("data/web/srv{}", "/d".repeat(MOST_DEPTH + 1));
        let long = format!("data/web/srv/{}", "n".repeat(MOST_NAME_BYTES + 1));
        for path in [
            "",
            "/",
            "data",
            "data/web",
            "/data/web/srv/file",
            "data//srv/file",
            "data/../etc/passwd",
            "data/web/../x",
            "data/web/srv/../../x",
            "data/web/srv/./x",
            "data/web/srv//x",
            "data/web/srv/x//",
            "data/web/srv/x\0y",
            "data/Web/srv/x",
            "data/.web.new/srv/x",
            "data/web\n/srv/x",
            "other/web/srv/x",
            "data/web/\u{0}/x",
            deep.as_str(),
            long.as_str(),
        ] {
            assert_eq!(Inside::parse(path.as_bytes()), None, "{path:?}");
        }
        let inside = Inside::parse("data/web/srv=site/a/b\u{1}/".as_bytes()).unwrap();
        assert_eq!((inside.service.as_str(), inside.directory.as_str()), ("web", "srv=site"));
        assert_eq!(inside.below, [b"a".to_vec(), b"b\x01".to_vec()]);
        assert!(Inside::parse(b"data/web/srv=site/").unwrap().below.is_empty());
    }

    #[test]
    fn a_link_stays_inside_whatever_other_links_there_are() {
        for (target, depth, is_inside) in [
            ("file", 0, true),
            ("./a/b", 0, true),
            ("../file", 1, true),
            ("../..", 2, true),
            (".", 0, true),
            ("../file", 0, false),
            ("../../file", 1, false),
            ("/etc/passwd", 5, false),
            ("", 1, false),
            // "link" may be one that leads to the root of all that is kept.
            ("link/../x", 5, false),
            ("a/../x", 1, false),
            (".//..//../x", 1, false),
        ] {
            assert_eq!(stays_inside(target.as_bytes(), depth), is_inside, "{target} {depth}");
        }
    }
}
