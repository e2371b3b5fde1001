//! Recordings compressed with gzip, detected by their first bytes, whatever their names.

use std::fs::File;
use std::io::{self, Cursor, ErrorKind, Read};
use std::path::Path;

use flate2::read::MultiGzDecoder;

/// How every gzip file begins (RFC 1952, section 2.3.1).
const MAGIC: [u8; 2] = [0x1f, 0x8b];

/// The contents of `input`, decompressed if they are compressed with gzip.
///
/// # Errors
/// When the first bytes cannot be read.
pub fn unpacked(mut input: impl Read + Send + 'static) -> io::Result<Box<dyn Read + Send>> {
    let head = head_of(&mut input)?;
    let is_packed = head == MAGIC;
    let whole = Cursor::new(head).chain(input);
    Ok(if is_packed {
        // `gzip -c monday.csv tuesday.csv` is one file with several members.
        Box::new(Unpacking(MultiGzDecoder::new(whole)))
    } else {
        Box::new(whole)
    })
}

/// Whether the file at `path` is compressed with gzip.
///
/// # Errors
/// When it cannot be read.
pub fn is_packed(path: &Path) -> io::Result<bool> {
    Ok(head_of(&mut File::open(path)?)? == MAGIC)
}

/// The first bytes, or fewer if there are no more.
fn head_of(input: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut head = Vec::with_capacity(MAGIC.len());
    input.take(MAGIC.len() as u64).read_to_end(&mut head)?;
    Ok(head)
}

/// Says of damaged data what it is, rather than what the decoder found.
struct Unpacking<R>(R);

impl<R: Read> Read for Unpacking<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer).map_err(|error| match error.kind() {
            kind
            @ (ErrorKind::InvalidInput | ErrorKind::InvalidData | ErrorKind::UnexpectedEof) => {
                io::Error::new(kind, "its gzip data is damaged or cut off")
            }
            _ => error,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn packed(text: &str) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    }

    fn read(bytes: Vec<u8>) -> io::Result<String> {
        io::read_to_string(unpacked(Cursor::new(bytes))?)
    }

    #[test]
    fn gzip_is_detected_by_its_first_bytes() {
        for text in ["", "\x1f", "x", "timestamp,host\n"] {
            assert_eq!(read(text.into()).unwrap(), text);
            assert_eq!(read(packed(text)).unwrap(), text);
        }
        let several = [packed("one\n"), packed("two\n")].concat();
        assert_eq!(read(several).unwrap(), "one\ntwo\n");
    }

    #[test]
    fn damaged_data_is_an_error_and_never_the_end() {
        let whole = packed(&"timestamp,host\n".repeat(100));
        for length in 2..whole.len() {
            let error = read(whole[..length].to_vec()).unwrap_err();
            assert_eq!(error.to_string(), "its gzip data is damaged or cut off");
        }
    }
}
