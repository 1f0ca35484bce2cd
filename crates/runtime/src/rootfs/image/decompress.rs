//! Layers as they come: plain, gzip or zstd, told apart by their first bytes, as containerd does.

use std::io::{self, BufRead, BufReader, Read};

use flate2::read::MultiGzDecoder;
use ruzstd::decoding::StreamingDecoder;

/// The plain bytes of `source`.
pub(crate) fn decompress<'r>(source: impl Read + 'r) -> io::Result<Box<dyn Read + 'r>> {
    let mut source = BufReader::with_capacity(1 << 16, source);
    let start = source.fill_buf()?;
    Ok(if start.starts_with(&[0x1f, 0x8b]) {
        Box::new(MultiGzDecoder::new(source))
    } else if start.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
        Box::new(StreamingDecoder::new(source).map_err(io::Error::other)?)
    } else {
        Box::new(source)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    #[test]
    fn gzip_and_plain_bytes_come_out_the_same() {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(b"some bytes").unwrap();
        let gzip = gzip.finish().unwrap();
        for bytes in [&b"some bytes"[..], &gzip] {
            let mut out = String::new();
            decompress(bytes).unwrap().read_to_string(&mut out).unwrap();
            assert_eq!(out, "some bytes");
        }
    }

    #[test]
    fn zstd_bytes_come_out_too() {
        let compressed =
            ruzstd::encoding::compress_to_vec(&b"some bytes"[..], ruzstd::encoding::CompressionLevel::Fastest);
        let mut out = String::new();
        decompress(&compressed[..]).unwrap().read_to_string(&mut out).unwrap();
        assert_eq!(out, "some bytes");
    }
}
