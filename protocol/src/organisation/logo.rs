//! A small picture.

use crate::id::Base64Url;
use serde::{Deserialize, Serialize};
use std::fmt::{self, Debug, Formatter};
use std::io::Cursor;

/// Maximum size of the file in bytes.
pub const MAX_BYTES: usize = 32 * 1024;
/// Maximum width in pixels.
pub(crate) const MAX_WIDTH: u32 = 400;
/// Maximum height in pixels.
pub(crate) const MAX_HEIGHT: u32 = 200;

/// PNG file (ISO/IEC 15948) of limited size. [`Logo::pixels`] decodes it; a `Logo` alone may hold any bytes.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Logo(Base64Url);

/// Decoded picture.
#[derive(Clone, PartialEq, Eq)]
pub struct Pixels {
    /// Width, at most 400.
    pub width: u32,
    /// Height, at most 200.
    pub height: u32,
    /// Red, green, blue and alpha of each pixel, by rows.
    pub rgba: Vec<u8>,
}

/// Reason why a logo cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LogoError {
    /// The file is too large.
    #[error("the logo has {0} bytes; at most {MAX_BYTES} are accepted")]
    Bytes(usize),
    /// The picture is too large, or empty.
    #[error("the logo has {0} x {1} pixels; at most {MAX_WIDTH} x {MAX_HEIGHT} are accepted")]
    Pixels(u32, u32),
    /// The file is not a complete PNG.
    #[error("the logo is not a PNG that can be used: {0}")]
    Png(String),
}

impl Logo {
    /// Takes a file's content.
    #[must_use]
    pub fn new(file: Vec<u8>) -> Self {
        Self(Base64Url(file))
    }

    /// Decodes the picture; the first one of an animation.
    ///
    /// # Errors
    /// The file is larger than a limit, or not a complete PNG.
    pub fn pixels(&self) -> Result<Pixels, LogoError> {
        let Base64Url(file) = &self.0;
        if file.len() > MAX_BYTES {
            return Err(LogoError::Bytes(file.len()));
        }
        let failed = |error: png::DecodingError| LogoError::Png(error.to_string());
        let mut decoder = png::Decoder::new(Cursor::new(file));
        decoder.set_ignore_text_chunk(true);
        decoder
            .set_transformations(png::Transformations::normalize_to_color8() | png::Transformations::ALPHA);
        // The size is known, and refused, before there is memory for it.
        let header = decoder.read_header_info().map_err(failed)?;
        let (width, height) = (header.width, header.height);
        if !(1..=MAX_WIDTH).contains(&width) || !(1..=MAX_HEIGHT).contains(&height) {
            return Err(LogoError::Pixels(width, height));
        }
        let mut reader = decoder.read_info().map_err(failed)?;
        let length = reader.output_buffer_size().ok_or(LogoError::Pixels(width, height))?;
        let mut decoded = vec![0; length];
        let frame = reader.next_frame(&mut decoded).map_err(failed)?;
        decoded.truncate(frame.buffer_size());
        let rgba = match frame.color_type {
            png::ColorType::Rgba => decoded,
            png::ColorType::GrayscaleAlpha => grey_to_rgba(&decoded),
            other => return Err(LogoError::Png(format!("{other:?} was not converted"))),
        };
        // A file that ends before its last chunk was cut.
        reader.finish().map_err(failed)?;
        Ok(Pixels { width, height, rgba })
    }
}

fn grey_to_rgba(pixels: &[u8]) -> Vec<u8> {
    let (pairs, _) = pixels.as_chunks::<2>();
    pairs.iter().flat_map(|&[grey, alpha]| [grey, grey, grey, alpha]).collect()
}

impl Debug for Logo {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "Logo({} bytes)", self.0.0.len())
    }
}

impl Debug for Pixels {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "Pixels({} x {})", self.width, self.height)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(width: u32, height: u32, colour: png::ColorType, bytes: usize) -> Vec<u8> {
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, width, height);
        encoder.set_color(colour);
        encoder.set_depth(png::BitDepth::Eight);
        let mut writer = encoder.write_header().unwrap();
        let pixels = usize::try_from(width * height).unwrap();
        writer.write_image_data(&vec![200; pixels * bytes]).unwrap();
        writer.finish().unwrap();
        file
    }

    #[test]
    fn decodes_every_colour_type_to_rgba() {
        for (colour, bytes, first) in [
            (png::ColorType::Rgba, 4, [200, 200, 200, 200]),
            (png::ColorType::Rgb, 3, [200, 200, 200, 255]),
            (png::ColorType::Grayscale, 1, [200, 200, 200, 255]),
            (png::ColorType::GrayscaleAlpha, 2, [200; 4]),
        ] {
            let Pixels { width, height, rgba } = Logo::new(file(7, 3, colour, bytes)).pixels().unwrap();
            assert_eq!((width, height, rgba.len(), &rgba[..4]), (7, 3, 84, &first[..]), "{colour:?}");
        }
    }

    #[test]
    fn refuses_files_that_are_large_cut_or_no_png() {
        let good = file(400, 200, png::ColorType::Rgb, 3);
        assert!(Logo::new(good.clone()).pixels().is_ok());
        for (width, height) in [(401, 1), (1, 201)] {
            let logo = Logo::new(file(width, height, png::ColorType::Rgb, 3));
            assert_eq!(logo.pixels(), Err(LogoError::Pixels(width, height)));
        }
        // A header may promise much more than the file holds.
        let mut bomb = file(1, 1, png::ColorType::Rgb, 3);
        bomb[16..24].copy_from_slice(&[0x7f, 0xff, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff]);
        assert!(Logo::new(bomb).pixels().is_err());
        for cut in [0, 8, 20, good.len() / 2, good.len() - 1] {
            assert!(matches!(Logo::new(good[..cut].to_vec()).pixels(), Err(LogoError::Png(_))), "{cut}");
        }
        let svg = b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>".to_vec();
        assert!(matches!(Logo::new(svg).pixels(), Err(LogoError::Png(_))));
        assert_eq!(Logo::new(vec![0; MAX_BYTES + 1]).pixels(), Err(LogoError::Bytes(MAX_BYTES + 1)));
    }
}
