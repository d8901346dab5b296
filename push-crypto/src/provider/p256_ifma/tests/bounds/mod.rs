//! The bounds of the arithmetic, computed: the formulas of `point` run on intervals instead of numbers.
//!
//! `point.rs` is compiled once more, over a `field` whose values are intervals in units of p and whose limbs are
//! intervals of integers. Each operation asserts what the true one needs: factors in [0, 16 p), the range of the
//! weak reduction, limbs and columns that fit 64 bits. The constants K are the code's own.

#![expect(clippy::duplicate_mod, reason = "the formulas of the lanes, over intervals")]

macro_rules! lanes {
    ($($function:item)*) => { $($function)* };
}

mod field;
#[path = "../../point.rs"]
#[expect(dead_code, reason = "the tables' last step needs no bounds of its own")]
mod point;

use field::{Digits, Interval, Loose, carry, digits, mul, plus_p, sub, twice};
use point::{Addend, Entry, Register, add_affine, affine, double_times, odd_multiples};

fn join(a: &Register, b: &Register) -> Register {
    Register { x: a.x.join(&b.x), y2: a.y2.join(&b.y2), z: a.z.join(&b.z) }
}

/// (x, 2y) of a point as `batch::accept` makes it: the raw coordinates below p, y doubled, enter Montgomery's form by
/// a product with R^2 mod p; or the generator's constants, which are reduced.
fn accepted() -> Entry {
    let (raw, r2) = (Digits::of(0.0, 1.0), Digits::of(0.0, 1.0).factor());
    let enter = |raw: &Digits| digits(&mul::<0>(&raw.factor(), &r2));
    let (x, y2) = (enter(&raw), enter(&digits(&twice(&raw.summand()))));
    assert!(y2.value.most < 1.2, "2y enters as {:?}", y2.value);
    Entry { x, y2 }
}

/// (x, 2y) as `variable::select` and `fixed::select` find it in a table, before its sign is changed.
fn found() -> Entry {
    let inverse = carry(&Digits::of(0.0, 2.0).summand());
    // What the chain of odd multiples leaves in an entry; asserted below.
    let any = Digits::of(0.0, 3.3).factor();
    let Entry { x, y2 } = affine(&any, &any, &inverse);
    let first = accepted();
    Entry { x: x.join(&first.x), y2: y2.join(&first.y2) }
}

/// The same with `2 p - 2y` or not, as `scalar::negate_where` makes it: a factor, so never negative.
fn selected() -> (Digits, Digits) {
    let Entry { x, y2 } = found();
    let negated = digits(&sub(&plus_p::<2>(&Digits::of(0.0, 0.0).summand()), &y2.summand()));
    // The generator stands in the place of refused points, below 2 p as a constant.
    (x, y2.join(&negated).join(&Digits::of(0.0, 2.0)))
}

/// The largest register that any row of doublings and additions can reach, as a fixed point.
#[test]
fn any_row_of_operations_stays_in_bounds() {
    let (x, y2) = selected();
    let addend = Addend { x: x.factor(), y2: y2.factor() };
    // What a register starts with.
    let mut q = Register {
        x: Loose::of(2.0, 3.1),
        y2: Digits::of(0.0, 2.1).summand(),
        z: Digits::of(0.0, 1.1).summand(),
    };
    for round in 0.. {
        let (mut doubled, mut added) = (q, q);
        double_times(&mut doubled, 1);
        add_affine(&mut added, &addend);
        let next = join(&q, &join(&doubled, &added));
        if next.x.value == q.x.value && next.y2.value == q.y2.value && next.z.value == q.z.value {
            break;
        }
        assert!(round < 500, "the bounds grow without end");
        q = next;
    }
    assert!(q.x.value.least >= 1.99 && q.x.value.most < 3.2, "X is {:?}", q.x.value);
    assert!(q.y2.value.least >= 0.0 && q.y2.value.most < 6.6, "2Y is {:?}", q.y2.value);
    assert!(q.z.value.least >= 0.0 && q.z.value.most < 1.8, "Z is {:?}", q.z.value);
}

/// Tables as long as the comb's, and the bounds of their entries.
#[test]
fn tables_stay_in_bounds() {
    let Entry { x, y2 } = accepted();
    // Or the generator, or a first point of the comb.
    let p = Entry { x, y2: y2.join(&Digits::of(0.0, 2.0)) };
    let one = Digits::of(0.0, 1.0);
    let mut entries = [p; 128];
    let mut ratios = [one.factor(); 128];

    let z = odd_multiples(&p, &one, &mut entries, &mut ratios);
    let inverse = carry(&Digits::of(0.0, 2.0).summand());

    assert!(z.value.most < 2.0, "Z is {:?}", z.value);
    for entry in &entries[1..] {
        let most = entry.x.value.most.max(entry.y2.value.most);
        assert!(most < 3.3, "an entry of the chain is up to {most}");
        let Entry { x, y2 } = affine(&entry.x.factor(), &entry.y2.factor(), &inverse);
        assert!(x.value.most < 1.3 && y2.value.most < 1.3, "an entry is {:?}, {:?}", x.value, y2.value);
    }
    assert_eq!(Interval { least: 0.0, most: 1.0 }, one.value);
}
