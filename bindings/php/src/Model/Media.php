<?php

declare(strict_types=1);

namespace SocialChannel\Model;

use SocialChannel\Internal\Document;

/**
 * Media to publish. Exactly one of `file`, `url`, `upload` and `name` is set: use the static constructors.
 */
final readonly class Media implements \JsonSerializable
{
    use Document;

    private function __construct(
        /** A file on this machine. With a service it is uploaded first. */
        public ?string $file = null,
        /** An `https` URL, read by ranges. */
        public ?string $url = null,
        /** The id of a stored upload. */
        public ?string $upload = null,
        /** A file below the operator's media folder. */
        public ?string $name = null,
        /** What it shows, for people who cannot see it. */
        public ?string $altText = null,
        /** Where the platform can fetch the bytes until the publish has ended. */
        public ?string $publicUrl = null,
        /** Of bytes that do not say it themselves. What they say, nothing overrules. */
        public ?string $contentType = null,
        /** What it is for, as the form's media rules name it. Null: `media`. */
        public ?string $role = null,
        /** @var array<string, bool|int|float|string|array<mixed>> By the names of the fields of its media rule. */
        public array $options = [],
    ) {
    }

    /**
     * The same, for this role and with these options.
     *
     * @param array<string, bool|int|float|string|array<mixed>> $options
     */
    public function for(string $role, array $options = []): self
    {
        return new self(...[...get_object_vars($this), 'role' => $role, 'options' => $options]);
    }

    /**
     * A file on this machine.
     *
     * With FFI, the library reads it while the job runs: keep it until the job has ended. With a service it is
     * uploaded when the job is stored, and may be deleted then.
     */
    public static function file(
        string $path,
        ?string $altText = null,
        ?string $publicUrl = null,
        ?string $contentType = null,
    ): self {
        // The library requires an absolute path; it refuses a missing file itself.
        $found = @realpath($path);
        return new self(
            file: $found === false ? $path : $found,
            altText: $altText,
            publicUrl: $publicUrl,
            contentType: $contentType,
        );
    }

    /** An `https` URL, which the host reads. */
    public static function url(
        string $url,
        ?string $altText = null,
        ?string $publicUrl = null,
        ?string $contentType = null,
    ): self {
        return new self(url: $url, altText: $altText, publicUrl: $publicUrl, contentType: $contentType);
    }

    /** The result of `Host::upload()` or `POST /uploads`. */
    public static function upload(string $id, ?string $altText = null): self
    {
        return new self(upload: $id, altText: $altText);
    }

    /** A file below the operator's media folder, for example `clips/one.mp4`. */
    public static function name(string $name, ?string $altText = null): self
    {
        return new self(name: $name, altText: $altText);
    }

    /** @internal The same with an upload in place of the file. */
    public function uploaded(string $id): self
    {
        return new self(
            upload: $id,
            altText: $this->altText,
            publicUrl: $this->publicUrl,
            contentType: $this->contentType,
            role: $this->role,
            options: $this->options,
        );
    }
}
