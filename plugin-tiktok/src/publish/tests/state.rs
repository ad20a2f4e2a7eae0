//! Tests of stored states of other versions.

use super::*;

#[test]
fn foreign_states_are_unsupported_and_no_secret_shows() {
    let environment = environment();
    let resume = Resume::new(false);
    for state in [&b"{}"[..], b"", b"\xff\x00", br#"{"stage":"Elsewhere"}"#] {
        let error = run(advance(&environment, &account(), state, &[], &resume)).unwrap_err();
        assert_eq!(error.kind, ErrorKind::Unsupported);
    }
    let drive = Drive::uploading(1000);
    let state = State::read(&drive.step.state).unwrap();
    assert!(!format!("{state:?}").contains("upload_token"));
}

/// States as written by version 0.1.0, one for each stage. They are stored in databases, so their member names must
/// never change.
const WRITTEN: [&str; 6] = [
    r#"{"stage":"Init","photos":false,"plan":{"size":30000000,"chunk":10000000,"count":3},"content_type":"video/mp4","total":30000000,"post_info":{"brand_content_toggle":false,"brand_organic_toggle":false,"disable_comment":true,"disable_duet":true,"disable_stitch":true,"is_aigc":false,"privacy_level":"PUBLIC_TO_EVERYONE","title":"soup"},"cover_index":0,"public":true,"username":"demo","begun_at":1795000000,"since":1795000000,"checked_at":1795000000,"publish_id":null,"upload_url":null,"upload_until":0,"next_chunk":0,"last_begun":false,"sent_all":false,"downloaded":0,"inits":0,"realigns":0,"polls":0,"cancelling":false,"post_id":null}"#,
    r#"{"stage":"Upload","photos":false,"plan":{"size":30000000,"chunk":10000000,"count":3},"content_type":"video/mp4","total":30000000,"post_info":{"privacy_level":"SELF_ONLY"},"cover_index":0,"public":false,"username":"demo","begun_at":1795000000,"since":1795000001,"checked_at":1795000000,"publish_id":"pub-1","upload_url":"https://open-upload-sg.tiktokapis.com/upload?upload_id=9&upload_token=demo","upload_until":1795003541,"next_chunk":2,"last_begun":false,"sent_all":false,"downloaded":0,"inits":1,"realigns":1,"polls":0,"cancelling":false,"post_id":null}"#,
    r#"{"stage":"Pull","photos":true,"plan":null,"content_type":"image/jpeg","total":2000,"post_info":{"privacy_level":"PUBLIC_TO_EVERYONE"},"cover_index":1,"public":true,"username":"demo","begun_at":1795000000,"since":1795000000,"checked_at":1795000000,"publish_id":null,"upload_url":null,"upload_until":0,"next_chunk":0,"last_begun":false,"sent_all":false,"downloaded":0,"inits":0,"realigns":0,"polls":0,"cancelling":false,"post_id":null}"#,
    r#"{"stage":"Lost","photos":true,"plan":null,"content_type":"image/jpeg","total":2000,"post_info":{"privacy_level":"PUBLIC_TO_EVERYONE"},"cover_index":0,"public":true,"username":null,"begun_at":1795000000,"since":1795000010,"checked_at":1795000000,"publish_id":null,"upload_url":null,"upload_until":0,"next_chunk":0,"last_begun":false,"sent_all":false,"downloaded":0,"inits":0,"realigns":0,"polls":0,"cancelling":true,"post_id":null}"#,
    r#"{"stage":"Processing","photos":true,"plan":null,"content_type":"image/jpeg","total":2000,"post_info":{"privacy_level":"PUBLIC_TO_EVERYONE"},"cover_index":0,"public":true,"username":"demo","begun_at":1795000000,"since":1795000002,"checked_at":1795000000,"publish_id":"p_pub_url~v2.1","upload_url":null,"upload_until":0,"next_chunk":0,"last_begun":false,"sent_all":false,"downloaded":500,"inits":0,"realigns":0,"polls":3,"cancelling":false,"post_id":null}"#,
    r#"{"stage":"Published","photos":false,"plan":{"size":1000,"chunk":1000,"count":1},"content_type":"video/mp4","total":1000,"post_info":{"privacy_level":"PUBLIC_TO_EVERYONE"},"cover_index":0,"public":true,"username":"demo","begun_at":1795000000,"since":1795000030,"checked_at":1795000000,"publish_id":"pub-1","upload_url":"https://open-upload-sg.tiktokapis.com/upload?upload_id=9&upload_token=demo","upload_until":1795003540,"next_chunk":0,"last_begun":true,"sent_all":true,"downloaded":0,"inits":1,"realigns":0,"polls":1,"cancelling":false,"post_id":"7570000000000001234"}"#,
];

#[test]
fn states_written_before_are_read_and_written_alike() {
    for written in WRITTEN {
        let state = State::read(written.as_bytes()).unwrap();
        let step = state.step(NextStep::Cancelled);
        let (old, new): (Value, Value) =
            (serde_json::from_str(written).unwrap(), serde_json::from_slice(&step.state).unwrap());
        // Members may be added, but not removed or redefined.
        for (name, value) in old.as_object().unwrap() {
            assert_eq!(&new[name], value, "{name} of {written}");
        }
    }
}

#[test]
fn a_publish_that_was_begun_before_goes_on() {
    let drive = |state: &str, media: Vec<FakeMedia>| {
        let step = State::read(state.as_bytes()).unwrap().step(NextStep::Cancelled);
        Drive { environment: environment(), media, step: PublishStep { state: state.into(), ..step } }
    };
    let [init, upload, pull, lost, processing, published] = WRITTEN;
    let mut init = drive(init, vec![FakeMedia::video(30_000_000)]);
    init.json(200, &init_answer("pub-1"));
    assert_eq!(init.go(), &NextStep::Proceed(StepEffect::Safe));

    let mut upload = drive(upload, vec![FakeMedia::video(30_000_000)]);
    assert_eq!(upload.status(201).go(), &NextStep::Wait(5_000));
    assert_eq!(upload.sent()[0].media, Some((20_000_000, 10_000_000)));

    let mut pull = drive(pull, vec![FakeMedia(photo(Some("https://media.example.com/1.jpg")))]);
    pull.json(200, &ok(json!({"publish_id": "p_pub_url~v2.1"})));
    assert_eq!(pull.go(), &NextStep::Wait(5_000));
    assert_eq!(pull.sent()[0].json()["source_info"]["photo_cover_index"], 1);

    assert_eq!(drive(lost, Vec::new()).go(), &NextStep::Wait(60_000));

    let mut processing = drive(processing, Vec::new());
    processing.json(200, &status_answer("PUBLISH_COMPLETE", json!({"publicaly_available_post_id": [77]})));
    assert!(matches!(processing.go(), NextStep::Published(_)));
    assert_eq!(
        processing.step.publication.posts[0].url.as_deref(),
        Some("https://www.tiktok.com/@demo/photo/77")
    );

    let mut published = drive(published, Vec::new());
    assert!(matches!(published.go(), NextStep::Published(_)));
    assert_eq!(published.step.publication.posts[0].id.as_deref(), Some("7570000000000001234"));
}

#[test]
fn what_an_older_version_did_not_write_has_its_default() {
    let written = br#"{"stage":"Processing","photos":false,"total":5,"post_info":{},"public":true,"begun_at":1,"since":1}"#;
    let state = State::read(written).unwrap();
    assert_eq!((state.plan, state.checked_at, state.inits, state.publish_id), (None, 0, 0, None));
}
