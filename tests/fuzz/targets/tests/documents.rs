//! Documents of the C interface with something wrong at any place of them.

use fuzz_targets::{SECRET, document};
use proptest::prelude::*;
use serde_json::{Value, json};

/// A valid document for each function, which the test then damages.
fn whole() -> Vec<Value> {
    vec![
        json!({"post": {"kind": SECRET, "text": SECRET, "options": {"x": [SECRET], "z": 1}},
               "media": [{"file": SECRET, "content_type": SECRET}], "publish_at": 1, "priority": 0,
               "idempotency_key": SECRET}),
        json!({"limit": 3, "cursor": SECRET}),
        json!({"owner": SECRET, "inputs": {"a": SECRET}, "choose_account": true, "reconnect": SECRET}),
        json!({"provider": SECRET, "settings": {"a": SECRET}, "origins": ["https://a.test"], "tenant": "t"}),
        json!({"method": SECRET, "query": SECRET, "headers": [[SECRET, SECRET]]}),
        json!({"posted": true, "url": SECRET}),
        json!({"publish_at": 7, "post": {"kind": SECRET}}),
        json!({"channel": SECRET, "status": "active", "limit": 3}),
        json!([SECRET]),
        json!({"data": "/nowhere", "key": SECRET, "policy": {"origins": [], "connect_to": []}, "limits": {"calls": 0}}),
    ]
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        Just(Value::from(SECRET)),
        Just(Value::from(format!("{SECRET}\u{0}, expected `x`"))),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec(("[a-z_]{1,8}", inner), 0..4)
                .prop_map(|members| members.into_iter().collect()),
        ]
    })
}

/// Puts `with` at the `at`th place of a document, counted in its order.
fn damage(value: &mut Value, at: &mut usize, with: &Value) {
    if *at == 0 {
        *value = with.clone();
    }
    *at = at.wrapping_sub(1);
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| damage(item, at, with)),
        Value::Object(members) => members.values_mut().for_each(|member| damage(member, at, with)),
        _ => {}
    }
}

fn any_document() -> impl Strategy<Value = String> {
    let whole = whole();
    prop_oneof![
        3 => (0..whole.len(), 0..12_usize, any_value()).prop_map(move |(which, mut at, with)| {
            let mut document = whole[which].clone();
            damage(&mut document, &mut at, &with);
            document.to_string()
        }),
        1 => any_value().prop_map(|value| value.to_string()),
        // Truncated.
        1 => (0..self::whole().len(), 0..200_usize).prop_map(|(which, length)| {
            let text = self::whole()[which].to_string();
            text.chars().take(length).collect()
        }),
        1 => "[^\\x00]{0,40}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases.max(1_500), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_document_is_answered_and_no_value_is_repeated(text in any_document()) {
        document(text.as_bytes());
    }
}
