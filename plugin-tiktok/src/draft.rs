//! A post in TikTok's terms: the generic post, parsed option by option.
//!
//! Parsing never guesses: an option that TikTok does not have, or of the wrong type, is a finding with its
//! name.

use serde_json::{Value, json};
use social_channel_provider::channel::Post;
use social_channel_provider::{Finding, Value as Given};

use crate::finding::error;

/// A kind of post.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Video,
    Photos,
}

#[derive(Clone, Debug)]
pub(crate) struct Draft {
    pub(crate) kind: Kind,
    pub(crate) title: Option<String>,
    pub(crate) text: Option<String>,
    pub(crate) visibility: Option<String>,
    pub(crate) allow_comment: bool,
    pub(crate) allow_duet: bool,
    pub(crate) allow_stitch: bool,
    /// None: not given.
    pub(crate) disclosure: Option<bool>,
    pub(crate) your_brand: bool,
    pub(crate) branded_content: bool,
    pub(crate) ai_generated: bool,
    pub(crate) auto_music: bool,
    pub(crate) cover_timestamp_ms: Option<i64>,
    pub(crate) cover_index: i64,
    /// TikTok fetches the video itself.
    pub(crate) pull: bool,
}

/// Names of the options, here and in the form.
pub(crate) mod option {
    pub(crate) const COMMENT: &str = "allow-comment";
    pub(crate) const DUET: &str = "allow-duet";
    pub(crate) const STITCH: &str = "allow-stitch";
    pub(crate) const DISCLOSURE: &str = "disclosure";
    pub(crate) const YOUR_BRAND: &str = "your-brand";
    pub(crate) const BRANDED: &str = "branded-content";
    pub(crate) const AI: &str = "ai-generated";
    pub(crate) const MUSIC: &str = "auto-music";
    pub(crate) const COVER_TIME: &str = "cover-timestamp-ms";
    pub(crate) const COVER_INDEX: &str = "cover-index";
    pub(crate) const TRANSFER: &str = "transfer";
}

impl Draft {
    /// Reads a post; the draft is None only if its kind is unknown.
    pub(crate) fn read(post: &Post) -> (Option<Self>, Vec<Finding>) {
        let mut findings = Vec::new();
        let kind = match post.kind.as_str() {
            "video" => Kind::Video,
            "images" => Kind::Photos,
            other => {
                let message = format!("TikTok has no posts of the kind `{other}`, only videos and photos.");
                return (None, vec![error("kind", &message, "Choose the kind `video` or `images`.")]);
            }
        };
        let not_empty = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        let mut draft = Self {
            kind,
            title: not_empty(&post.title),
            text: not_empty(&post.text),
            visibility: not_empty(&post.visibility),
            allow_comment: false,
            allow_duet: false,
            allow_stitch: false,
            disclosure: None,
            your_brand: false,
            branded_content: false,
            ai_generated: false,
            auto_music: false,
            cover_timestamp_ms: None,
            cover_index: 0,
            pull: kind == Kind::Photos,
        };
        if kind == Kind::Video && draft.title.is_some() {
            findings.push(error(
                "title",
                "A TikTok video has no title beside its caption.",
                "Put it into the text.",
            ));
        }
        if !post.parts.is_empty() {
            findings.push(error("parts", "TikTok has no threads.", "Publish one post."));
        }
        let mut seen: Vec<&str> = Vec::new();
        for entry in &post.options {
            let name = entry.name.as_str();
            if seen.contains(&name) {
                findings.push(error(name, format!("The option `{name}` is given twice."), "Give it once."));
            }
            seen.push(name);
            if let Err((message, remedy)) = draft.set(name, &entry.value) {
                findings.push(error(name, &message, remedy));
            }
        }
        (Some(draft), findings)
    }

    /// Sets an option, or returns what is wrong with it and what to do.
    fn set(&mut self, name: &str, value: &Given) -> Result<(), (String, &'static str)> {
        const LEAVE_OUT: &str = "Leave the option out.";
        let video = self.kind == Kind::Video;
        let flag = || match value {
            Given::Boolean(flag) => Ok(*flag),
            _ => Err((format!("The option `{name}` must be true or false."), "Give true or false.")),
        };
        let number = || match value {
            Given::Number(number) if *number >= 0 && *number <= i64::from(i32::MAX) => Ok(*number),
            _ => Err((
                format!("The option `{name}` must be a whole number, not below 0."),
                "Give such a number, or leave the option out.",
            )),
        };
        // False for a switch that this kind of post does not have is harmless.
        let only = |offered: bool, on: bool, kind: &str| {
            if offered || !on {
                Ok(on)
            } else {
                Err((format!("TikTok offers `{name}` for {kind} only."), LEAVE_OUT))
            }
        };
        match name {
            option::COMMENT => self.allow_comment = flag()?,
            option::DUET => self.allow_duet = only(video, flag()?, "videos")?,
            option::STITCH => self.allow_stitch = only(video, flag()?, "videos")?,
            option::DISCLOSURE => self.disclosure = Some(flag()?),
            option::YOUR_BRAND => self.your_brand = flag()?,
            option::BRANDED => self.branded_content = flag()?,
            option::AI => self.ai_generated = only(video, flag()?, "videos")?,
            option::MUSIC => self.auto_music = only(!video, flag()?, "photos")?,
            option::COVER_TIME => {
                let milliseconds = number()?;
                only(video, true, "videos")?;
                self.cover_timestamp_ms = Some(milliseconds);
            }
            option::COVER_INDEX => {
                let index = number()?;
                only(!video, true, "photos")?;
                self.cover_index = index;
            }
            option::TRANSFER => {
                self.pull = match value {
                    Given::Text(text) if text == "pull" => true,
                    Given::Text(text) if text == "upload" && video => false,
                    Given::Text(text) if text == "upload" => {
                        return Err((
                            "TikTok takes photos only from an address, not by upload.".to_owned(),
                            LEAVE_OUT,
                        ));
                    }
                    _ => {
                        return Err((
                            "The option `transfer` must be `upload` or `pull`.".to_owned(),
                            "Give one of the two, or leave the option out.",
                        ));
                    }
                };
            }
            other => return Err((format!("TikTok does not offer the option `{other}`."), LEAVE_OUT)),
        }
        Ok(())
    }

    /// `post_info` of the init request. The interface uses "allow", TikTok uses "disable", and a missing
    /// member means allowed, so all of them are always sent. Both brand toggles are also always sent, as the
    /// documentation requires.
    pub(crate) fn post_info(&self) -> Value {
        let mut info = json!({
            "privacy_level": self.visibility,
            "disable_comment": !self.allow_comment,
            "brand_content_toggle": self.branded_content,
            "brand_organic_toggle": self.your_brand,
        });
        let Some(members) = info.as_object_mut() else { return info };
        let mut put = |name: &str, value: Value| members.insert(name.to_owned(), value);
        match self.kind {
            Kind::Video => {
                put("disable_duet", (!self.allow_duet).into());
                put("disable_stitch", (!self.allow_stitch).into());
                put("is_aigc", self.ai_generated.into());
                if let Some(text) = &self.text {
                    put("title", text.as_str().into());
                }
                if let Some(milliseconds) = self.cover_timestamp_ms {
                    put("video_cover_timestamp_ms", milliseconds.into());
                }
            }
            Kind::Photos => {
                put("auto_add_music", self.auto_music.into());
                if let Some(title) = &self.title {
                    put("title", title.as_str().into());
                }
                if let Some(text) = &self.text {
                    put("description", text.as_str().into());
                }
            }
        }
        info
    }
}
