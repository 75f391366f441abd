//! The SIMD part of the scanner: finds quotes, backslashes, and brackets.
//!
//! Another instruction set needs these methods. [`Bytewise`] defines their results; tests compare every other kernel
//! with it.

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::{_mm_clmulepi64_si128, _mm_cvtsi64_si128, _mm_cvtsi128_si64, _mm_set1_epi8};

use fearless_simd::{Bytes, Simd, SimdBase, SimdMask, i8x32, i8x64, u8x32, u8x64};

/// How many bytes [`Kernel::masks`] examines: one for each bit of a mask.
pub(super) const BLOCK_BYTES: usize = 64;

/// Setting this bit turns `[` into `{` and `]` into `}`, and no other byte into either.
const BRACKET_BIT: u8 = 0x20;

/// The lowest byte that is not a control character.
const BLANK: i8 = 0x20;

/// One bit for each byte of a block; the lowest bit stands for the first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Masks {
    pub(super) quotes: u64,
    pub(super) backslashes: u64,
    /// `{` and `[`.
    pub(super) opens: u64,
    /// `}` and `]`.
    pub(super) closes: u64,
}

/// What is done for many bytes at once.
pub(super) trait Kernel: Copy {
    /// Which bytes of the block are quotes, backslashes, and brackets.
    fn masks(self, block: &[u8; BLOCK_BYTES]) -> Masks;

    /// The position of the first byte that is not plain within a string: a quote, a backslash, a control character, or
    /// a byte beyond ASCII; the length if there is none.
    fn find_special(self, bytes: &[u8]) -> usize;

    /// The same for texts of 32 to 128 bytes: examines so many at once, so that no branch depends on the length.
    fn find_special_far(self, bytes: &[u8]) -> usize;

    /// Calls it as a function of its own, compiled for the same instructions if it is `#[inline(always)]`. What is called in several
    /// places, and seldom, is so compiled once, and not within each of them.
    fn apart<R>(self, run: impl FnOnce() -> R) -> R;

    /// For each position, whether the number of set bits up to and including it is odd. If the bits are quotes: whether the
    /// position is within a string.
    #[inline(always)]
    fn parity_of_all_before(self, bits: u64) -> u64 {
        parity_by_shifts(bits)
    }
}

/// The vector instructions of the processor.
#[derive(Clone, Copy, Debug)]
pub(super) struct Vectors<S>(pub(super) S);

impl<S: Simd> Vectors<S> {
    /// Which bytes of the block are not plain within a string.
    #[inline(always)]
    fn special(self, block: &[u8; BLOCK_BYTES]) -> u64 {
        let bytes = u8x64::from_slice(self.0, block);
        let signed: i8x64<S> = bytes.bitcast();
        (bytes.simd_eq(b'"') | bytes.simd_eq(b'\\') | signed.simd_lt(BLANK)).to_bitmask()
    }
}

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
        // Keys and ids have ten to fifty bytes: half a block is faster than a whole one.
        while let Some((half, more)) = rest.split_first_chunk::<32>() {
            let half = u8x32::from_slice(self.0, half);
            // As signed numbers, bytes beyond ASCII are negative: one comparison finds these and control characters.
            let signed: i8x32<S> = half.bitcast();
            let found = (half.simd_eq(b'"') | half.simd_eq(b'\\') | signed.simd_lt(BLANK)).to_bitmask();
            if found != 0 {
                return at + place(found);
            }
            (at, rest) = (at + 32, more);
        }
        at + Bytewise.find_special(rest)
    }

    #[inline(always)]
    fn find_special_far(self, bytes: &[u8]) -> usize {
        let ([first, second, ..], _) = bytes.as_chunks() else { return self.find_special(bytes) };
        match u128::from(self.special(first)) | u128::from(self.special(second)) << BLOCK_BYTES {
            0 => self.find_special(bytes),
            // At most 127.
            found => found.trailing_zeros() as usize,
        }
    }

    #[inline(always)]
    fn apart<R>(self, run: impl FnOnce() -> R) -> R {
        self.0.vectorize(run)
    }

    #[inline(always)]
    fn parity_of_all_before(self, bits: u64) -> u64 {
        #[cfg(target_arch = "x86_64")]
        if let Some(avx512) = self.0.level().as_avx512() {
            return parity_by_product(avx512, bits);
        }
        parity_by_shifts(bits)
    }
}

#[inline(always)]
const fn parity_by_shifts(mut bits: u64) -> u64 {
    bits ^= bits << 1;
    bits ^= bits << 2;
    bits ^= bits << 4;
    bits ^= bits << 8;
    bits ^= bits << 16;
    bits ^ bits << 32
}

#[cfg(target_arch = "x86_64")]
fearless_simd::kernel!(
    /// The same in one step: multiplying by ones alone, without carrying, adds up what is before.
    #[inline]
    fn parity_by_product(avx512: Avx512, bits: u64) -> u64 {
        let bits = _mm_cvtsi64_si128(bits.cast_signed());
        _mm_cvtsi128_si64(_mm_clmulepi64_si128::<0>(bits, _mm_set1_epi8(-1))).cast_unsigned()
    }
);

/// One byte after the other: slow, and obviously correct.
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

    #[inline(always)]
    fn find_special_far(self, bytes: &[u8]) -> usize {
        self.find_special(bytes)
    }

    fn apart<R>(self, run: impl FnOnce() -> R) -> R {
        run()
    }
}

/// The position of the lowest set bit.
#[inline(always)]
pub(super) fn place(mask: u64) -> usize {
    // At most 64.
    mask.trailing_zeros() as usize
}
