//! Over what is not wanted, block by block, looking only for the bracket that closes it.
//!
//! Nothing in between is checked: whether a bracket is square or curly, a number is one, a text is UTF-8. All that
//! counts is what cannot be mistaken: a quote begins or ends a text, brackets within texts are none, a backslash takes
//! the byte after it out of account. The last rule holds outside of texts as well, where JSON has no backslashes: any
//! rule will do there, but it must not depend on where a chunk or a block ends.

use super::kernel::{BLOCK_BYTES, Kernel, Masks, place};

/// How deep brackets may be nested. Mesos needs about ten.
pub(super) const MAX_DEPTH: u32 = 128;

/// The bits of the second, fourth, sixth byte and so on.
const EVEN_PLACES: u64 = 0xAAAA_AAAA_AAAA_AAAA;

/// Somewhere within brackets that are skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Skip {
    /// How many brackets are still to be closed.
    depth: u32,
    /// All bits where the next byte is within a text, else none.
    in_text: u64,
    /// The lowest bit where the next byte follows a backslash that counts.
    escaped: u64,
}

/// What became of some bytes that were to be skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Skipped {
    /// The last bracket is not among them.
    All,
    /// After so many bytes the last bracket is closed.
    Closed(usize),
    /// The bracket at that place is nested too deep.
    TooDeep(usize),
}

impl Skip {
    /// Just within the outermost bracket that is to be skipped.
    pub(super) const INSIDE: Self = Self { depth: 1, in_text: 0, escaped: 0 };

    /// Goes on over these bytes.
    #[inline(always)]
    pub(super) fn skip<K: Kernel>(&mut self, kernel: K, bytes: &[u8]) -> Skipped {
        // In a local of its own the state stays in registers.
        let mut state = *self;
        let (blocks, rest) = bytes.as_chunks::<BLOCK_BYTES>();
        let mut at = 0;
        for block in blocks {
            match state.block(kernel, block, BLOCK_BYTES) {
                Skipped::All => at += BLOCK_BYTES,
                end => return end.after(at),
            }
        }
        // Blanks make no difference, so the rest becomes a block by them.
        let mut block = [b' '; BLOCK_BYTES];
        for (to, from) in block.iter_mut().zip(rest) {
            *to = *from;
        }
        let end = if rest.is_empty() { Skipped::All } else { state.block(kernel, &block, rest.len()) };
        *self = state;
        end.after(at)
    }

    /// Goes on over a block of which the first `length` bytes count and the others are blanks.
    #[inline(always)]
    fn block<K: Kernel>(&mut self, kernel: K, block: &[u8; BLOCK_BYTES], length: usize) -> Skipped {
        let Masks { mut quotes, backslashes, mut opens, mut closes } = kernel.masks(block);
        if backslashes | self.escaped != 0 {
            let escaped = self.escapes(backslashes, length);
            quotes &= !escaped;
            opens &= !escaped;
            closes &= !escaped;
        }
        let text = parity_of_all_before(quotes) ^ self.in_text;
        self.in_text = 0_u64.wrapping_sub(text >> (BLOCK_BYTES - 1));
        opens &= !text;
        closes &= !text;
        let (opened, closed) = (opens.count_ones(), closes.count_ones());
        if closed < self.depth && self.depth + opened <= MAX_DEPTH {
            self.depth = self.depth + opened - closed;
            return Skipped::All;
        }
        self.bracket_by_bracket(opens, closes)
    }

    /// Which bytes a backslash takes out of account: those that follow an odd number of them.
    ///
    /// In a run of backslashes every second one is escaped itself. Subtracting the run from the even places flips, by
    /// the borrow, what follows it according to where the run began; no loop is needed, however many there are.
    fn escapes(&mut self, backslashes: u64, length: usize) -> u64 {
        let candidates = backslashes & !self.escaped;
        let after_odd_runs = ((candidates << 1 | EVEN_PLACES).wrapping_sub(candidates)) ^ EVEN_PLACES;
        let escaped = after_odd_runs ^ (backslashes | self.escaped);
        let escaping = after_odd_runs & backslashes;
        self.escaped = escaping >> length.saturating_sub(1) & 1;
        escaped
    }

    /// Counts one by one where the last bracket may be among them, or one that is too deep.
    fn bracket_by_bracket(&mut self, opens: u64, closes: u64) -> Skipped {
        let mut brackets = opens | closes;
        while brackets != 0 {
            let at = place(brackets);
            let bracket = brackets & brackets.wrapping_neg();
            brackets ^= bracket;
            if opens & bracket != 0 {
                if self.depth == MAX_DEPTH {
                    return Skipped::TooDeep(at);
                }
                self.depth += 1;
            } else {
                self.depth -= 1;
                if self.depth == 0 {
                    return Skipped::Closed(at + 1);
                }
            }
        }
        Skipped::All
    }
}

impl Skipped {
    /// The same where so many bytes came before.
    #[inline(always)]
    const fn after(self, bytes: usize) -> Self {
        match self {
            Self::All => Self::All,
            Self::Closed(at) => Self::Closed(bytes + at),
            Self::TooDeep(at) => Self::TooDeep(bytes + at),
        }
    }
}

/// For each place whether the bits up to it, itself included, are odd in number: whether it is within a text, if the
/// bits are quotes.
#[inline(always)]
const fn parity_of_all_before(mut bits: u64) -> u64 {
    bits ^= bits << 1;
    bits ^= bits << 2;
    bits ^= bits << 4;
    bits ^= bits << 8;
    bits ^= bits << 16;
    bits ^ bits << 32
}
