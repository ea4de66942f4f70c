//! Expressions are agreed upon by another way to evaluate them: trees that are
//! written out with the fewest brackets, and evaluated plainly.

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Tree {
    Bool(bool),
    Compare(Number, &'static str, Number),
    Among(Number, Vec<Number>),
    Not(Box<Tree>),
    And(Box<Tree>, Box<Tree>),
    Or(Box<Tree>, Box<Tree>),
    If(Box<Tree>, Box<Tree>, Box<Tree>),
    All(Vec<Number>, Box<Tree>),
    Exists(Vec<Number>, Box<Tree>),
}

#[derive(Clone, Debug)]
enum Number {
    Int(i64),
    /// What the innermost macro stands at; outside of one, 3.
    Item,
    Apply(Box<Number>, char, Box<Number>),
    Size(u8),
}

fn number() -> impl Strategy<Value = Number> {
    let leaf = prop_oneof![
        (-3i64..4).prop_map(Number::Int),
        prop::sample::select(vec![i64::MIN, i64::MAX, 1 << 62]).prop_map(Number::Int),
        Just(Number::Item),
        (0u8..4).prop_map(Number::Size),
    ];
    leaf.prop_recursive(3, 8, 2, |inner| {
        (inner.clone(), prop::sample::select(vec!['+', '-', '*', '/', '%']), inner)
            .prop_map(|(a, sign, b)| Number::Apply(Box::new(a), sign, Box::new(b)))
    })
}

fn tree() -> impl Strategy<Value = Tree> {
    let compare = prop::sample::select(vec!["==", "!=", "<", "<=", ">", ">="]);
    let list = || prop::collection::vec(number(), 0..4);
    let leaf = prop_oneof![
        any::<bool>().prop_map(Tree::Bool),
        (number(), compare, number()).prop_map(|(a, sign, b)| Tree::Compare(a, sign, b)),
        (number(), list()).prop_map(|(a, list)| Tree::Among(a, list)),
    ];
    leaf.prop_recursive(4, 24, 3, move |inner| {
        let boxed = || inner.clone().prop_map(Box::new);
        prop_oneof![
            boxed().prop_map(Tree::Not),
            (boxed(), boxed()).prop_map(|(a, b)| Tree::And(a, b)),
            (boxed(), boxed()).prop_map(|(a, b)| Tree::Or(a, b)),
            (boxed(), boxed(), boxed()).prop_map(|(a, b, c)| Tree::If(a, b, c)),
            (list(), boxed()).prop_map(|(list, test)| Tree::All(list, test)),
            (list(), boxed()).prop_map(|(list, test)| Tree::Exists(list, test)),
        ]
    })
}

impl Number {
    /// `None`: an error.
    fn value(&self, item: i64) -> Option<i64> {
        match self {
            Number::Int(value) => Some(*value),
            Number::Item => Some(item),
            Number::Size(size) => Some(i64::from(*size)),
            Number::Apply(a, sign, b) => {
                let (a, b) = (i128::from(a.value(item)?), i128::from(b.value(item)?));
                let exact = match sign {
                    '+' => a + b,
                    '-' => a - b,
                    '*' => a * b,
                    '/' => a.checked_div(b)?,
                    // It overflows like the division.
                    _ if a == i128::from(i64::MIN) && b == -1 => return None,
                    _ => a.checked_rem(b)?,
                };
                i64::try_from(exact).ok()
            }
        }
    }

    /// How strongly it binds: 1 like `+`, 2 like `*`, 3 a value.
    fn written(&self, macros: usize) -> (u8, String) {
        match self {
            Number::Int(value) if *value < 0 => (2, value.to_string()),
            Number::Int(value) => (3, value.to_string()),
            Number::Item if macros == 0 => (3, "3".to_owned()),
            Number::Item => (3, format!("i{macros}")),
            Number::Size(size) => (3, format!("size('{}')", "é".repeat(usize::from(*size)))),
            Number::Apply(a, sign, b) => {
                let level = if "+-".contains(*sign) { 1 } else { 2 };
                let side = |side: &Number, least| {
                    let (level, text) = side.written(macros);
                    if level < least { format!("({text})") } else { text }
                };
                (level, format!("{} {sign} {}", side(a, level), side(b, level + 1)))
            }
        }
    }
}

impl Tree {
    /// `None`: an error.
    fn value(&self, item: i64) -> Option<bool> {
        let either = |parts: Vec<Option<bool>>, decisive: bool| {
            if parts.contains(&Some(decisive)) {
                Some(decisive)
            } else if parts.contains(&None) {
                None
            } else {
                Some(!decisive)
            }
        };
        // A list is whole before it is gone through.
        let list = |list: &[Number]| -> Option<Vec<i64>> {
            list.iter().map(|number| number.value(item)).collect()
        };
        match self {
            Tree::Bool(value) => Some(*value),
            Tree::Compare(a, sign, b) => {
                let order = a.value(item)?.cmp(&b.value(item)?);
                Some(match *sign {
                    "==" => order.is_eq(),
                    "!=" => order.is_ne(),
                    "<" => order.is_lt(),
                    "<=" => order.is_le(),
                    ">" => order.is_gt(),
                    _ => order.is_ge(),
                })
            }
            Tree::Among(a, items) => {
                Some((a.value(item)?, list(items)?)).map(|(a, l)| l.contains(&a))
            }
            Tree::Not(a) => Some(!a.value(item)?),
            Tree::And(a, b) => either(vec![a.value(item), b.value(item)], false),
            Tree::Or(a, b) => either(vec![a.value(item), b.value(item)], true),
            Tree::If(a, b, c) => {
                if a.value(item)? {
                    b.value(item)
                } else {
                    c.value(item)
                }
            }
            Tree::All(items, test) => {
                either(list(items)?.into_iter().map(|item| test.value(item)).collect(), false)
            }
            Tree::Exists(items, test) => {
                either(list(items)?.into_iter().map(|item| test.value(item)).collect(), true)
            }
        }
    }

    /// How strongly it binds: 0 like `?:`, 1 like `||`, 2 like `&&`, 3 like `==`,
    /// 4 like `!`, 5 a value.
    fn written(&self, macros: usize) -> (u8, String) {
        let side = |side: &Tree, least| {
            let (level, text) = side.written(macros);
            if level < least { format!("({text})") } else { text }
        };
        let list = |items: &[Number]| {
            let items: Vec<String> = items.iter().map(|item| item.written(macros).1).collect();
            format!("[{}]", items.join(", "))
        };
        let each = |name: &str, items: &[Number], test: &Tree| {
            let inner = macros + 1;
            (5, format!("{}.{name}(i{inner}, {})", list(items), test.written(inner).1))
        };
        match self {
            Tree::Bool(value) => (5, value.to_string()),
            Tree::Compare(a, sign, b) => {
                (3, format!("{} {sign} {}", a.written(macros).1, b.written(macros).1))
            }
            Tree::Among(a, items) => (3, format!("{} in {}", a.written(macros).1, list(items))),
            Tree::Not(a) => (4, format!("!{}", side(a, 4))),
            Tree::And(a, b) => (2, format!("{} && {}", side(a, 2), side(b, 3))),
            Tree::Or(a, b) => (1, format!("{} || {}", side(a, 1), side(b, 2))),
            Tree::If(a, b, c) => (0, format!("{} ? {} : {}", side(a, 1), side(b, 1), side(c, 0))),
            Tree::All(items, test) => each("all", items, test),
            Tree::Exists(items, test) => each("exists", items, test),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn written_trees_are_evaluated_as_they_are(tree in tree()) {
        let text = tree.written(0).1;
        prop_assume!(text.len() <= MAX_LENGTH);
        match PLAIN.says(&text) {
            Ok(value) => prop_assert_eq!(Some(value), tree.value(3), "{}", text),
            // The model has all the time.
            Err(Why::TooLong) => {}
            Err(_) => prop_assert_eq!(None, tree.value(3), "{}", text),
        }
    }
}
