//! A chunk of the document and the position in it.

/// A borrowed chunk, with its position in the document.
#[derive(Debug)]
pub(super) struct Input<'a> {
    chunk: &'a [u8],
    at: usize,
    /// How many bytes of the document precede the chunk.
    before: u64,
}

impl<'a> Input<'a> {
    pub(super) const fn new(chunk: &'a [u8], before: u64) -> Self {
        Self { chunk, at: 0, before }
    }

    #[inline(always)]
    pub(super) fn peek(&self) -> Option<u8> {
        self.chunk.get(self.at).copied()
    }

    #[inline(always)]
    pub(super) fn rest(&self) -> &'a [u8] {
        self.chunk.get(self.at..).unwrap_or_default()
    }

    #[inline(always)]
    pub(super) const fn advance(&mut self, bytes: usize) {
        self.at += bytes;
    }

    #[inline(always)]
    pub(super) const fn advance_to_end(&mut self) {
        self.at = self.chunk.len();
    }

    /// The position of the next byte in the document, from 0.
    pub(super) fn position(&self) -> u64 {
        self.position_after(0)
    }

    /// The position of the byte that follows after so many bytes.
    pub(super) fn position_after(&self, bytes: usize) -> u64 {
        self.before.saturating_add(u64::try_from(self.at + bytes).unwrap_or(u64::MAX))
    }
}
