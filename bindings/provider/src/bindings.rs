//! The contract as Rust types and traits, generated from `wit/`.
//!
//! The exports are generated per interface, each with its own export macro: a component has exactly the
//! exports whose macros its crate calls, so that a provider without webhooks does not export them.
#![allow(missing_docs, unsafe_code, unused_qualifications, reason = "generated code")]
#![allow(clippy::all, clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "generated code")]

wit_bindgen::generate!({
    path: "wit",
    world: "social:channel/provider",
    generate_all,
    additional_derives: [PartialEq],
    pub_export_macro: true,
    export_macro_name: "export_channel",
    default_bindings_module: "::social_channel_provider::bindings",
    runtime_path: "::social_channel_provider::wit_bindgen::rt",
});

/// The optional interface `webhooks`.
pub mod webhooks {
    wit_bindgen::generate!({
        path: "wit",
        inline: "
            package social:toolkit-webhooks;
            world webhooks-provider { export social:channel/webhooks@0.1.0; }
        ",
        world: "social:toolkit-webhooks/webhooks-provider",
        with: { "social:channel/types@0.1.0": crate::bindings::social::channel::types },
        additional_derives: [PartialEq],
        pub_export_macro: true,
        export_macro_name: "export_webhooks",
        default_bindings_module: "::social_channel_provider::bindings::webhooks",
        runtime_path: "::social_channel_provider::wit_bindgen::rt",
    });
}

/// The optional interface `diagnostics`.
pub mod diagnostics {
    wit_bindgen::generate!({
        path: "wit",
        inline: "
            package social:toolkit-diagnostics;
            world diagnostics-provider { export social:channel/diagnostics@0.1.0; }
        ",
        world: "social:toolkit-diagnostics/diagnostics-provider",
        with: { "social:channel/types@0.1.0": crate::bindings::social::channel::types },
        additional_derives: [PartialEq],
        pub_export_macro: true,
        export_macro_name: "export_diagnostics",
        default_bindings_module: "::social_channel_provider::bindings::diagnostics",
        runtime_path: "::social_channel_provider::wit_bindgen::rt",
    });
}
