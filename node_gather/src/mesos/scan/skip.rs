//! Skips a value, block by block, up to its closing bracket.
//!
//! The contents are not checked: brackets may be square or curly, numbers invalid, strings not UTF-8. Three rules
//! suffice: a quote begins or ends a string, brackets within strings do not count, and a backslash escapes the next
//! byte. The last rule also holds outside strings, where JSON has no backslashes: any rule would do there, as long as it
//! does not depend on where a chunk or a block ends.

use super::kernel::{BLOCK_BYTES, Kernel, Masks, place};

/// How deep brackets may be nested. Mesos needs about ten.
pub(super) const MAX_DEPTH: u32 = 128;

/// The bits of the second, fourth, sixth byte and so on.
const EVEN_POSITIONS: u64 = 0xAAAA_AAAA_AAAA_AAAA;

/// The state within a skipped value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Skip {
    /// How many brackets are open.
    depth: u32,
    /// All bits if the next byte is within a string, else none.
    in_string: u64,
    /// The lowest bit if the next byte is escaped.
    escaped: u64,
}

/// How far some bytes were skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Skipped {
    /// All of them; the closing bracket is not among them.
    All,
    /// The closing bracket ends after so many bytes.
    Closed(usize),
    /// The bracket at that position is nested too deep.
    TooDeep(usize),
}

impl Skip {
    /// After the opening bracket of a skipped value.
    pub(super) const INSIDE: Self = Self { depth: 1, in_string: 0, escaped: 0 };

    /// Continues with these bytes.
    #[inline(always)]
    pub(super) fn skip<K: Kernel>(&mut self, kernel: K, bytes: &[u8]) -> Skipped {
        // A local copy stays in registers.
        let mut state = *self;
        let (blocks, rest) = bytes.as_chunks::<BLOCK_BYTES>();
        let mut at = 0;
        for block in blocks {
            match state.block(kernel, block, BLOCK_BYTES) {
                Skipped::All => at += BLOCK_BYTES,
                end => return end.after(at),
            }
        }
        // Blanks have no meaning, so they pad the rest to a block.
        let mut block = [b' '; BLOCK_BYTES];
        for (to, from) in block.iter_mut().zip(rest) {
            *to = *from;
        }
        let end = if rest.is_empty() { Skipped::All } else { state.block(kernel, &block, rest.len()) };
        *self = state;
        end.after(at)
    }

    /// Continues with a block: its first `length` bytes, and blanks.
    #[inline(always)]
    fn block<K: Kernel>(&mut self, kernel: K, block: &[u8; BLOCK_BYTES], length: usize) -> Skipped {
        let Masks { mut quotes, backslashes, mut opens, mut closes } = kernel.masks(block);
        if backslashes | self.escaped != 0 {
            let escaped = self.escapes(backslashes, length);
            quotes &= !escaped;
            opens &= !escaped;
            closes &= !escaped;
        }
        let strings = kernel.parity_of_all_before(quotes) ^ self.in_string;
        self.in_string = 0_u64.wrapping_sub(strings >> (BLOCK_BYTES - 1));
        opens &= !strings;
        closes &= !strings;
        let (opened, closed) = (opens.count_ones(), closes.count_ones());
        if closed < self.depth && self.depth + opened <= MAX_DEPTH {
            self.depth = self.depth + opened - closed;
            return Skipped::All;
        }
        if self.depth + opened > MAX_DEPTH {
            let (depth, end) = bracket_by_bracket(self.depth, opens, closes);
            self.depth = depth;
            end
        } else {
            self.closing(opens, closes)
        }
    }

    /// Which bytes are escaped: those that follow an odd number of backslashes.
    ///
    /// In a run of backslashes every second one is itself escaped. Subtracting the run from the even positions flips, by
    /// the borrow, the bit after the run, depending on where the run began. No loop is needed.
    fn escapes(&mut self, backslashes: u64, length: usize) -> u64 {
        let candidates = backslashes & !self.escaped;
        let after_odd_runs = ((candidates << 1 | EVEN_POSITIONS).wrapping_sub(candidates)) ^ EVEN_POSITIONS;
        let escaped = after_odd_runs ^ (backslashes | self.escaped);
        let escaping = after_odd_runs & backslashes;
        self.escaped = escaping >> length.saturating_sub(1) & 1;
        escaped
    }

    /// Looks for the closing bracket where it may be among them: the first before which, itself included, as many are closed as
    /// were open or opened. Only closing brackets are looked at: which kind comes next cannot be predicted.
    #[inline(always)]
    fn closing(&mut self, opens: u64, closes: u64) -> Skipped {
        let (mut rest, mut closed) = (closes, 0);
        while rest != 0 {
            let close = rest & rest.wrapping_neg();
            rest ^= close;
            closed += 1;
            if self.depth + (opens & (close - 1)).count_ones() == closed {
                return Skipped::Closed(place(close) + 1);
            }
        }
        self.depth = self.depth + opens.count_ones() - closed;
        Skipped::All
    }
}

/// Counts one by one where one nested too deep may be among them, from a depth to the next one. It is no method, because a state
/// that is lent to a function would be kept in memory for all blocks.
#[cold]
#[inline(never)]
fn bracket_by_bracket(mut depth: u32, opens: u64, closes: u64) -> (u32, Skipped) {
    let mut brackets = opens | closes;
    while brackets != 0 {
        let at = place(brackets);
        let bracket = brackets & brackets.wrapping_neg();
        brackets ^= bracket;
        if opens & bracket != 0 {
            if depth == MAX_DEPTH {
                return (depth, Skipped::TooDeep(at));
            }
            depth += 1;
        } else {
            depth -= 1;
            if depth == 0 {
                return (depth, Skipped::Closed(at + 1));
            }
        }
    }
    (depth, Skipped::All)
}

impl Skipped {
    /// The same, preceded by so many bytes.
    #[inline(always)]
    const fn after(self, bytes: usize) -> Self {
        match self {
            Self::All => Self::All,
            Self::Closed(at) => Self::Closed(bytes + at),
            Self::TooDeep(at) => Self::TooDeep(bytes + at),
        }
    }
}
