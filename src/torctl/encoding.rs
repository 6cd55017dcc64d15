// SPDX-License-Identifier: GPL-3.0-or-later
//! Bytes as text, for secrets: neither a table nor a branch depends on what is written.

/// Upper-case hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> impl Iterator<Item = u8> {
    // Without a table: which memory is read shall not depend on a secret.
    let digit = |value: u8| value + b'0' + (b'A' - b'9' - 1) * u8::from(value > 9);
    bytes.iter().flat_map(move |byte| [digit(byte >> 4), digit(byte & 15)])
}

/// Base64 with padding.
pub(super) fn base64(bytes: &[u8]) -> impl Iterator<Item = u8> {
    bytes.chunks(3).flat_map(|chunk| {
        let at = |index: usize| chunk.get(index).copied().unwrap_or(0);
        let sextets = [at(0) >> 2, (at(0) & 3) << 4 | at(1) >> 4, (at(1) & 15) << 2 | at(2) >> 6, at(2) & 63];
        let written = chunk.len() + 1;
        std::array::from_fn::<u8, 4, _>(|index| match sextets.get(index) {
            Some(&sextet) if index < written => base64_character(sextet),
            Some(_) | None => b'=',
        })
    })
}

/// A to Z, a to z, 0 to 9, + and /, without a table and without a branch.
fn base64_character(sextet: u8) -> u8 {
    let from = |first: u8| u8::from(sextet >= first);
    // Each step is the gap between where the range before would go on and where this one begins.
    (b'A' + sextet)
        .wrapping_add(from(26) * (b'a' - b'Z' - 1))
        .wrapping_sub(from(52) * (b'z' + 1 - b'0'))
        .wrapping_sub(from(62) * (b'9' + 1 - b'+'))
        .wrapping_add(from(63) * (b'/' - b'+' - 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_and_hex_as_everybody_else_writes_them() {
        for (bytes, expected) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE=")]
        {
            assert_eq!(String::from_utf8(base64(bytes.as_bytes()).collect()).unwrap(), expected);
        }
        let alphabet: Vec<u8> = (0..64).map(base64_character).collect();
        assert_eq!(alphabet, b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/");
        assert_eq!(String::from_utf8(hex(&[0x00, 0x9a, 0xf0, 0xff]).collect()).unwrap(), "009AF0FF");
    }
}
