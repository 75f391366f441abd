//! What the scanner asks of the processor: where in some bytes there are quotes, backslashes and brackets.
//!
//! Two methods are all there is to write for another instruction set. [`Bytewise`] says in the simplest words what they
//! have to answer; the tests hold every other kernel to it.

use fearless_simd::{Bytes, Simd, SimdBase, SimdMask, i8x32, u8x32, u8x64};

/// As many bytes as [`Kernel::masks`] looks at, one for each bit of a mask.
pub(super) const BLOCK_BYTES: usize = 64;

/// Setting this bit makes `[` a `{` and `]` a `}`, and nothing else one of them.
const BRACKET_BIT: u8 = 0x20;

/// The lowest byte that is no control character.
const BLANK: i8 = 0x20;

/// Which bytes of a block are what: the lowest bit tells of the first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Masks {
    pub(super) quotes: u64,
    pub(super) backslashes: u64,
    /// `{` and `[`.
    pub(super) opens: u64,
    /// `}` and `]`.
    pub(super) closes: u64,
}

/// The work that is done for many bytes at once.
pub(super) trait Kernel: Copy {
    /// Which bytes of the block are what.
    fn masks(self, block: &[u8; BLOCK_BYTES]) -> Masks;

    /// Where the first byte is that is not plain within a text: a quote, a backslash, a control character or a part of
    /// a character beyond ASCII; the length where there is none.
    fn find_special(self, bytes: &[u8]) -> usize;
}

/// The vectors of the processor at hand.
#[derive(Clone, Copy, Debug)]
pub(super) struct Vectors<S>(pub(super) S);

impl<S: Simd> Kernel for Vectors<S> {
    #[inline(always)]
    fn masks(self, block: &[u8; BLOCK_BYTES]) -> Masks {
        let bytes = u8x64::from_slice(self.0, block);
        let brackets = bytes | u8x64::splat(self.0, BRACKET_BIT);
        Masks {
            quotes: bytes.simd_eq(b'"').to_bitmask(),
            backslashes: bytes.simd_eq(b'\\').to_bitmask(),
            opens: brackets.simd_eq(b'{').to_bitmask(),
            closes: brackets.simd_eq(b'}').to_bitmask(),
        }
    }

    #[inline(always)]
    fn find_special(self, bytes: &[u8]) -> usize {
        let mut rest = bytes;
        let mut at = 0;
        // Keys and ids have some ten to fifty bytes: half a block is worth more than a whole one.
        while let Some((half, more)) = rest.split_first_chunk::<32>() {
            let half = u8x32::from_slice(self.0, half);
            // As signed numbers all beyond ASCII are negative, so one comparison finds them and control characters.
            let signed: i8x32<S> = half.bitcast();
            let found = (half.simd_eq(b'"') | half.simd_eq(b'\\') | signed.simd_lt(BLANK)).to_bitmask();
            if found != 0 {
                return at + place(found);
            }
            (at, rest) = (at + 32, more);
        }
        at + Bytewise.find_special(rest)
    }
}

/// One byte after the other: slow, and plainly right.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bytewise;

impl Kernel for Bytewise {
    #[inline(always)]
    fn masks(self, block: &[u8; BLOCK_BYTES]) -> Masks {
        let bits = |is: fn(u8) -> bool| block.iter().rev().fold(0, |bits, byte| bits << 1 | u64::from(is(*byte)));
        Masks {
            quotes: bits(|byte| byte == b'"'),
            backslashes: bits(|byte| byte == b'\\'),
            opens: bits(|byte| matches!(byte, b'{' | b'[')),
            closes: bits(|byte| matches!(byte, b'}' | b']')),
        }
    }

    #[inline(always)]
    fn find_special(self, bytes: &[u8]) -> usize {
        let is_plain = |byte: &u8| matches!(byte, b' '..=b'~' | 0x7F) && !matches!(byte, b'"' | b'\\');
        bytes.iter().position(|byte| !is_plain(byte)).unwrap_or(bytes.len())
    }
}

/// The place of the lowest bit that is set.
#[inline(always)]
pub(super) fn place(mask: u64) -> usize {
    // At most 64.
    mask.trailing_zeros() as usize
}
