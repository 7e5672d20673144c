//! Codes as text in bulk: the lines of a batch's CSV file, which may have millions.
//!
//! Writes into memory; the caller sends the bytes on and chooses the size of a run.

use super::{CODE_LEN, TraceCode};

/// Appends one line `CODE,URL\n` per code, where the URL is `url_prefix` followed by the code.
///
/// The prefix is written as it stands: it must hold no comma, double quote or line break, as no
/// prefix made by [`crate::gs1`] from a host name does.
pub fn write_csv_run(out: &mut Vec<u8>, codes: &[TraceCode], url_prefix: &str) {
    // All lines are equally long: growing the buffer once and filling places that are known
    // beforehand is faster by half than appending piece by piece.
    let line_len = CODE_LEN + 1 + url_prefix.len() + CODE_LEN + 1;
    let start = out.len();
    out.resize(start + codes.len() * line_len, b'\n');
    for (line, code) in out[start..].chunks_exact_mut(line_len).zip(codes) {
        let (label, url) = line.split_at_mut(CODE_LEN + 1);
        label[..CODE_LEN].copy_from_slice(code.as_bytes());
        label[CODE_LEN] = b',';
        let (prefix, tail) = url.split_at_mut(url_prefix.len());
        prefix.copy_from_slice(url_prefix.as_bytes());
        tail[..CODE_LEN].copy_from_slice(code.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_appended_whole() {
        let codes = [TraceCode::BLANK; 2];
        let mut out = b"code,url\n".to_vec();
        write_csv_run(&mut out, &codes, "https://id.example/d/");
        write_csv_run(&mut out, &[], "https://id.example/d/");
        let line = "2222222222222,https://id.example/d/2222222222222\n";
        assert_eq!(out, format!("code,url\n{line}{line}").into_bytes());
    }
}
