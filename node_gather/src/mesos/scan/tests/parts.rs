//! The basic parts: masks, skipping, strings, and numbers, each compared with its simplest form.

use fearless_simd::dispatch;
use proptest::prelude::*;
use shared::resources::Amount;

use super::super::kernel::{Bytewise, Kernel, Masks, Vectors};
use super::super::skip::{MAX_DEPTH, Skip, Skipped};
use super::super::{kernel, values};
use super::*;

fn masks(processor: Processor, block: &[u8; kernel::BLOCK_BYTES]) -> Masks {
    match processor {
        Processor::Bytewise => Bytewise.masks(block),
        Processor::Vectors(level) => dispatch!(level, simd => Vectors(simd).masks(block)),
    }
}

fn find_special(processor: Processor, bytes: &[u8]) -> usize {
    match processor {
        Processor::Bytewise => Bytewise.find_special(bytes),
        Processor::Vectors(level) => dispatch!(level, simd => Vectors(simd).find_special(bytes)),
    }
}

fn find_special_far(processor: Processor, bytes: &[u8]) -> usize {
    match processor {
        Processor::Bytewise => Bytewise.find_special_far(bytes),
        Processor::Vectors(level) => dispatch!(level, simd => Vectors(simd).find_special_far(bytes)),
    }
}

fn parity_of_all_before(processor: Processor, bits: u64) -> u64 {
    match processor {
        Processor::Bytewise => Bytewise.parity_of_all_before(bits),
        Processor::Vectors(level) => dispatch!(level, simd => Vectors(simd).parity_of_all_before(bits)),
    }
}

fn skip(processor: Processor, skip: &mut Skip, bytes: &[u8]) -> Skipped {
    match processor {
        Processor::Bytewise => skip.skip(Bytewise, bytes),
        Processor::Vectors(level) => dispatch!(level, simd => skip.skip(Vectors(simd), bytes)),
    }
}

/// The definition of skipping, byte by byte.
fn skip_plainly(bytes: &[u8]) -> Skipped {
    let (mut depth, mut in_string, mut escaped) = (1, false, false);
    for (at, byte) in bytes.iter().enumerate() {
        let counts = !std::mem::replace(&mut escaped, false);
        match byte {
            b'\\' if counts => escaped = true,
            b'"' if counts => in_string = !in_string,
            b'{' | b'[' if counts && !in_string => {
                depth += 1;
                if depth > MAX_DEPTH {
                    return Skipped::TooDeep(at);
                }
            }
            b'}' | b']' if counts && !in_string => {
                depth -= 1;
                if depth == 0 {
                    return Skipped::Closed(at + 1);
                }
            }
            _ => {}
        }
    }
    Skipped::All
}

/// Bytes of which many matter, in runs.
fn telling_bytes() -> impl Strategy<Value = Vec<u8>> {
    let run = (prop::sample::select(b"\\\\\"\"{[}]a \xe9\x7b".to_vec()), 1..5_usize);
    let runs = prop::collection::vec(run, 0..200);
    (runs, 0..200_usize).prop_map(|(runs, deep)| {
        let mut bytes = vec![b'['; deep];
        bytes.extend(runs.into_iter().flat_map(|(byte, count)| vec![byte; count]));
        bytes
    })
}

#[test]
fn several_instruction_sets_are_compared() {
    assert!(!cfg!(target_arch = "x86_64") || processors().len() >= 3, "{:?}", processors());
}

#[test]
fn every_byte_has_the_same_masks_everywhere() {
    for processor in processors() {
        for byte in 0..=u8::MAX {
            for at in [0, 15, 16, 31, 32, 63] {
                let mut block = [b'x'; kernel::BLOCK_BYTES];
                block[at] = byte;
                assert_eq!(masks(processor, &block), Bytewise.masks(&block), "{processor:?} {byte} at {at}");
            }
        }
    }
    let mut block = [b'x'; kernel::BLOCK_BYTES];
    block[..6].copy_from_slice(b"\"\\{[}]");
    let Masks { quotes, backslashes, opens, closes } = Bytewise.masks(&block);
    assert_eq!((quotes, backslashes, opens, closes), (1, 2, 0b1100, 0b11_0000));
}

#[test]
fn amounts_are_read_like_serde() {
    let check = |text: &str| {
        let followed = format!("{text},");
        if let Some((amount, length)) = values::plain_amount(followed.as_bytes()) {
            let units: f64 = serde_json::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!((Some(amount), length), (Amount::from_units(units), text.len()), "{text}");
            return true;
        }
        false
    };
    for text in ["0", "7", "0.5", "0.001", "0.10", "16.0", "999999.999", "9999999", "9999999.999"] {
        assert!(check(text), "{text}");
    }
    for text in
        ["", "-1", "01", "00", "1.", ".5", "1e3", "1.5e3", "0.0001", "10000000", "10000000.5", "1x", "true", "0.1.1"]
    {
        assert!(!check(text), "{text}");
    }
    // More digits may follow in the next chunk.
    assert_eq!(values::plain_amount(b"12"), None);
    assert_eq!(values::plain_amount(b"12.5"), None);
    for thousandths in (0..10_000_000_u32).step_by(997) {
        let text = format!("{}.{:03}", thousandths / 1000, thousandths % 1000);
        let amount = values::plain_amount(format!("{text}}}").as_bytes()).map(|(amount, _)| amount);
        assert_eq!(amount, Some(Amount::from_thousandths(thousandths.into())), "{text}");
        assert_eq!(amount, Amount::from_units(text.parse().unwrap()), "{text}");
    }
}

proptest! {
    #[test]
    fn masks_and_special_bytes_are_the_same_everywhere(
        block in prop::array::uniform32(prop::sample::select(b"\"\\{[}]x\x5c\xdb\xfb\x02\0".to_vec())),
        bytes in prop::collection::vec(prop_oneof![160 => b'#'..=b'[', 1 => any::<u8>(), 2 => prop::sample::select(b"\"\\".to_vec())], 0..200),
    ) {
        let mut whole = [0; kernel::BLOCK_BYTES];
        whole[..32].copy_from_slice(&block);
        whole[32..].copy_from_slice(&block);
        whole[32..].reverse();
        for processor in processors() {
            prop_assert_eq!(masks(processor, &whole), Bytewise.masks(&whole));
            prop_assert_eq!(find_special(processor, &bytes), Bytewise.find_special(&bytes));
            prop_assert_eq!(find_special_far(processor, &bytes), Bytewise.find_special(&bytes));
        }
    }

    #[test]
    fn parities_are_as_defined_everywhere(bits in any::<u64>(), few in any::<u64>()) {
        for bits in [bits, bits & few, bits & few & few.rotate_left(7), 0, u64::MAX] {
            let up_to = |place: u32| u64::MAX >> (63 - place);
            let parities = (0..64).fold(0, |all, place| all | u64::from((bits & up_to(place)).count_ones() % 2) << place);
            for processor in processors() {
                prop_assert_eq!(parity_of_all_before(processor, bits), parities, "{:?}", processor);
            }
        }
    }

    #[test]
    fn skipping_ends_as_defined(bytes in telling_bytes(), seed in any::<u64>(), most in 1..200_usize) {
        let expected = skip_plainly(&bytes);
        let mut chance = Shuffle::of(seed);
        for processor in processors() {
            let (mut state, mut at) = (Skip::INSIDE, 0);
            let end = loop {
                if at == bytes.len() {
                    break Skipped::All;
                }
                let to = bytes.len().min(at + 1 + chance.below(most));
                match skip(processor, &mut state, &bytes[at..to]) {
                    Skipped::All => at = to,
                    Skipped::Closed(length) => break Skipped::Closed(at + length),
                    Skipped::TooDeep(length) => break Skipped::TooDeep(at + length),
                }
            };
            prop_assert_eq!(end, expected, "{:?}", processor);
        }
    }
}
