//! What S3 answers, in words for the operator. Its own words are never repeated: they hold key ids and signed requests.

use std::io;

use social_channel_runtime::error::{Error, ErrorKind};

use crate::blob::place::S3Address;

/// An error for people, with at most a code of S3 or the words of the system as its source. `NotFound` is a missing object.
pub(super) fn failure(address: &S3Address, error: object_store::Error) -> Error {
    let chain = words(&error);
    let code = code(&chain);
    let (kind, message, remedy) = told(address, &error, &chain, code);
    let error = Error::new(kind, message).with_field("blob").with_remedy(remedy);
    match code.or_else(|| cause(&chain)) {
        Some(cause) => error.with_source(io::Error::other(cause.to_owned())),
        None => error,
    }
}

/// The code of an answer of S3.
pub(super) fn code_of(error: &object_store::Error) -> Option<String> {
    code(&words(error)).map(str::to_owned)
}

fn told(
    address: &S3Address,
    error: &object_store::Error,
    chain: &[String],
    code: Option<&str>,
) -> (ErrorKind, String, String) {
    use ErrorKind::{Misconfigured, NotFound, Unavailable};
    let bucket = &address.bucket;
    let says = |text: &str| chain.iter().any(|words| words.contains(text));
    match (code, error) {
        (Some("NoSuchBucket"), _) => (
            Misconfigured,
            format!("there is no bucket {bucket} for the uploads ({address})"),
            "make the bucket, or correct `blob`".to_owned(),
        ),
        (Some("RequestTimeTooSkewed" | "RequestExpired"), _) => (
            Misconfigured,
            format!("the clocks of this machine and of the server of {address} differ too much, so it refuses all requests"),
            "let this machine set its clock by NTP".to_owned(),
        ),
        (Some("ExpiredToken"), _) => (
            Misconfigured,
            format!("the credentials for {address} have expired"),
            "give new ones, or let the machine's role give them".to_owned(),
        ),
        (
            Some("InvalidAccessKeyId" | "SignatureDoesNotMatch" | "InvalidToken" | "InvalidClientTokenId" | "AuthFailure"),
            _,
        )
        | (None, object_store::Error::Unauthenticated { .. }) => (
            Misconfigured,
            format!("the credentials for {address} are not right"),
            "correct AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or the file that `credentials` names".to_owned(),
        ),
        (
            Some("PermanentRedirect" | "AuthorizationHeaderMalformed" | "IllegalLocationConstraintException"),
            _,
        ) => (
            Misconfigured,
            format!("the bucket {bucket} is in another region than `blob` says"),
            "add region=NAME to `blob`, with the name of the bucket's region".to_owned(),
        ),
        (Some("QuotaExceeded" | "XMinioStorageFull" | "InsufficientStorage"), _) => (
            Unavailable,
            format!("{address} has no room for more"),
            "make room there, or delete uploads, and send the file again".to_owned(),
        ),
        (Some("AccessDenied" | "AllAccessDisabled" | "AccountProblem"), _)
        | (_, object_store::Error::PermissionDenied { .. }) => (
            Misconfigured,
            format!("access to {address} is denied"),
            format!(
                "allow its credentials s3:GetObject, s3:PutObject, s3:DeleteObject and s3:AbortMultipartUpload on the objects of {bucket}, and s3:ListBucket on the bucket"
            ),
        ),
        (_, object_store::Error::NotFound { .. }) => (
            NotFound,
            format!("there is no such object in {address}"),
            "let all processes have the same `blob`".to_owned(),
        ),
        _ if says("without LOCATION") => (
            Misconfigured,
            format!("the bucket {bucket} is in another region than `blob` says"),
            "add region=NAME to `blob`, with the name of the bucket's region".to_owned(),
        ),
        _ if says("169.254.") || says("://sts.") || says("credentials file") => (
            Misconfigured,
            format!("no credentials for {address} were found"),
            "give AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, add credentials=FILE to `blob`, or give this machine a role".to_owned(),
        ),
        (Some(_), _) => (
            Unavailable,
            format!("{address} does not do what it is asked"),
            "look up the code in the documentation of that S3; what is under way is tried again".to_owned(),
        ),
        (None, _) => (
            Unavailable,
            format!("{address} does not answer"),
            "check endpoint and network; what is under way is tried again".to_owned(),
        ),
    }
}

/// The words of an error and of its causes.
fn words(error: &object_store::Error) -> Vec<String> {
    let mut words = Vec::new();
    let mut next: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = next {
        words.push(error.to_string());
        next = error.source();
    }
    words
}

/// The code of an XML error, which is a word.
fn code(chain: &[String]) -> Option<&str> {
    let found = chain.iter().find_map(|words| words.split_once("<Code>")?.1.split_once("</Code>"))?.0;
    let is_word =
        !found.is_empty() && found.len() <= 64 && found.bytes().all(|byte| byte.is_ascii_alphanumeric());
    is_word.then_some(found)
}

/// The last cause, if it is the system's: it has no part of a request.
fn cause(chain: &[String]) -> Option<&str> {
    let last = chain.last()?;
    (last.contains("os error") && last.len() <= 100).then_some(last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blob::place::Blob;
    use social_channel_runtime::SecretText;

    fn error(body: &str) -> object_store::Error {
        object_store::Error::Generic { store: "S3", source: body.to_owned().into() }
    }

    #[test]
    fn each_trouble_of_an_operator_has_its_sentence_and_no_secret() {
        let address =
            S3Address::of(&SecretText::new("s3://media/shop?endpoint=https://minio.example")).unwrap();
        for (code, kind, said) in [
            ("NoSuchBucket", ErrorKind::Misconfigured, "there is no bucket media"),
            ("AccessDenied", ErrorKind::Misconfigured, "denied"),
            ("InvalidAccessKeyId", ErrorKind::Misconfigured, "not right"),
            ("SignatureDoesNotMatch", ErrorKind::Misconfigured, "not right"),
            ("ExpiredToken", ErrorKind::Misconfigured, "expired"),
            ("RequestTimeTooSkewed", ErrorKind::Misconfigured, "clocks"),
            ("PermanentRedirect", ErrorKind::Misconfigured, "region"),
            ("QuotaExceeded", ErrorKind::Unavailable, "no room"),
            ("SlowDown", ErrorKind::Unavailable, "does not do"),
        ] {
            let body = format!(
                "<Error><Code>{code}</Code><AWSAccessKeyId>AKIAHIDDEN</AWSAccessKeyId><StringToSign>hidden</StringToSign></Error>"
            );
            let found = failure(&address, error(&body));
            assert_eq!(found.kind, kind, "{code}");
            assert!(found.message.contains(said) && found.remedy.is_some(), "{code}: {found:?}");
            let shown = format!("{found:?}{found}").to_lowercase();
            assert!(!shown.contains("hidden"), "{shown}");
        }
        let silent = failure(&address, error("Connection refused (os error 111)"));
        assert_eq!(silent.kind, ErrorKind::Unavailable);
        assert!(silent.message.contains("https://minio.example does not answer"), "{silent}");
        let roleless =
            failure(&address, error("Error performing PUT http://169.254.169.254/latest/api/token"));
        assert!(roleless.message.contains("no credentials"), "{roleless}");
        assert!(matches!(Blob::from("s3://media"), Blob::S3(_)));
    }
}
