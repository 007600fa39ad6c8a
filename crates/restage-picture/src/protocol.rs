//! What server and child say to each other through pipes: one request, one answer, both with their length in front.

use std::io::{self, Read, Write};

use crate::limits::{JPEG_BYTES_MAX, KEY_FRAME_BYTES_MAX};
use crate::sandbox::Part;
use crate::thumbnail::PictureError;

/// Bytes before the key frame of a request, and before the JPEG of an answer: a kind, and a length as four bytes, most significant first.
pub const HEAD_BYTES: usize = 5;
/// Bytes of the longest answer.
pub const ANSWER_BYTES_MAX: usize = HEAD_BYTES + JPEG_BYTES_MAX;

const JPEG: u8 = 0;
const REFUSED: u8 = 1;
const NO_SANDBOX: u8 = 2;

/// A key frame of which a thumbnail is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// How far to turn it clockwise, in quarters of a circle.
    pub quarter_turns: u8,
    /// H.264: a byte stream with start codes and parameter sets (Annex B).
    pub key_frame: Vec<u8>,
}

impl Request {
    /// What stands before the key frame. `None` if that is longer than [`KEY_FRAME_BYTES_MAX`].
    pub fn head(quarter_turns: u8, key_frame: &[u8]) -> Option<[u8; HEAD_BYTES]> {
        head(quarter_turns % 4, key_frame.len(), KEY_FRAME_BYTES_MAX)
    }

    /// Reads a request.
    ///
    /// # Errors
    ///
    /// The pipe ends too early, or the length is over [`KEY_FRAME_BYTES_MAX`].
    pub fn read(from: &mut impl Read) -> io::Result<Self> {
        let mut head = [0; HEAD_BYTES];
        from.read_exact(&mut head)?;
        let (quarter_turns, length) = split(head);
        if length > KEY_FRAME_BYTES_MAX {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let mut key_frame = vec![0; length];
        from.read_exact(&mut key_frame)?;
        Ok(Self {
            quarter_turns,
            key_frame,
        })
    }
}

/// What a child answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The thumbnail.
    Jpeg(Vec<u8>),
    /// No thumbnail can be made of this picture.
    Refused(PictureError),
    /// Nothing was read, because this part of the sandbox is not there.
    NoSandbox(Part),
}

impl Answer {
    /// Writes the answer.
    ///
    /// # Errors
    ///
    /// The pipe is closed, or the JPEG is longer than [`JPEG_BYTES_MAX`].
    pub fn write(&self, to: &mut impl Write) -> io::Result<()> {
        let code;
        let (kind, payload) = match self {
            Self::Jpeg(jpeg) => (JPEG, jpeg.as_slice()),
            Self::Refused(error) => {
                code = [error.code()];
                (REFUSED, code.as_slice())
            }
            Self::NoSandbox(part) => {
                code = [part.code()];
                (NO_SANDBOX, code.as_slice())
            }
        };
        let head = head(kind, payload.len(), JPEG_BYTES_MAX).ok_or(io::ErrorKind::InvalidData)?;
        to.write_all(&head)?;
        to.write_all(payload)?;
        to.flush()
    }

    /// Reads everything that a child has written. `None` if it is no answer: the child wrote less or more, or something else.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let (head, payload) = bytes.split_first_chunk::<HEAD_BYTES>()?;
        let (kind, length) = split(*head);
        if payload.len() != length || length > JPEG_BYTES_MAX {
            return None;
        }
        match (kind, payload) {
            (JPEG, jpeg) => Some(Self::Jpeg(jpeg.to_vec())),
            (REFUSED, [code]) => PictureError::of_code(*code).map(Self::Refused),
            (NO_SANDBOX, [code]) => Part::of_code(*code).map(Self::NoSandbox),
            _ => None,
        }
    }
}

fn head(kind: u8, length: usize, most: usize) -> Option<[u8; HEAD_BYTES]> {
    let length = u32::try_from(length).ok().filter(|_| length <= most)?;
    let [a, b, c, d] = length.to_be_bytes();
    Some([kind, a, b, c, d])
}

fn split([kind, a, b, c, d]: [u8; HEAD_BYTES]) -> (u8, usize) {
    let length = u32::from_be_bytes([a, b, c, d]);
    (kind, usize::try_from(length).unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_read_as_it_was_written() {
        let mut bytes = Request::head(3, b"frame").unwrap().to_vec();
        bytes.extend_from_slice(b"frame");
        let expected = Request {
            quarter_turns: 3,
            key_frame: b"frame".to_vec(),
        };
        assert_eq!(Request::read(&mut bytes.as_slice()).unwrap(), expected);
        for cut in 0..bytes.len() {
            assert!(Request::read(&mut &bytes[..cut]).is_err(), "{cut}");
        }
        let long = [0, 0xff, 0xff, 0xff, 0xff];
        let error = Request::read(&mut long.as_slice()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        assert_eq!(Request::head(0, &vec![0; KEY_FRAME_BYTES_MAX + 1]), None);
    }

    #[test]
    fn answers_are_read_as_they_were_written() {
        let mut answers = vec![Answer::Jpeg(b"jpeg".to_vec())];
        answers.extend(PictureError::ALL.map(Answer::Refused));
        answers.extend(Part::ALL.map(Answer::NoSandbox));
        for answer in answers {
            let mut bytes = Vec::new();
            answer.write(&mut bytes).unwrap();
            assert_eq!(Answer::parse(&bytes), Some(answer));
            for cut in 0..bytes.len() {
                assert_eq!(Answer::parse(&bytes[..cut]), None);
            }
            bytes.push(0);
            assert_eq!(Answer::parse(&bytes), None);
        }
        let none = [&[JPEG, 0, 0, 0, 1][..], &[REFUSED, 0, 0, 0, 1, 99]];
        assert!(none.iter().all(|bytes| Answer::parse(bytes).is_none()));
        let unknown = [&[3, 0, 0, 0, 0][..], &[NO_SANDBOX, 0, 0, 0, 0]];
        assert!(unknown.iter().all(|bytes| Answer::parse(bytes).is_none()));
        let long = Answer::Jpeg(vec![0; JPEG_BYTES_MAX + 1]);
        assert!(long.write(&mut Vec::new()).is_err());
    }
}
