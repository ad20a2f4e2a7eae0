//! The short runs: the stored inputs, then mutations of them.

use fuzz_inputs::play;

#[test]
fn addresses_of_callbacks_are_taken_apart_once_and_whole() {
    play("callback-address", fuzz_targets::callback_address);
}

#[test]
fn any_configuration_is_opened_or_refused_with_a_remedy() {
    play("configuration", fuzz_targets::configuration);
}

#[test]
fn any_stored_document_is_answered() {
    play("document", fuzz_targets::document);
}

#[test]
fn media_of_any_bytes_is_looked_at_without_harm() {
    play("media", fuzz_targets::media);
}

#[test]
fn answers_of_any_media_server_are_survived() {
    play("media-answer", fuzz_targets::media_answer);
}
