<?php

declare(strict_types=1);

namespace SocialChannel\Model;

use SocialChannel\Internal\Document;
use SocialChannel\Internal\ListOf;

/**
 * What one item of a post may be. A null limit is unknown.
 */
final readonly class MediaRule implements \JsonSerializable
{
    use Document;

    public function __construct(
        /** `media` (what the post shows), `thumbnail`, `cover`, `subtitles`, or the platform's own term. */
        public string $role,
        /** The label to display. */
        public string $label,
        /** Fewest items. */
        public int $minimum,
        /** Most items. */
        public int $maximum,
        /** @var list<string> For example `video/mp4`. */
        public array $contentTypes,
        /** The maximum size of each item, in bytes. */
        public ?int $maxSize,
        /** Milliseconds. */
        public ?int $minDurationMs,
        /** Milliseconds. */
        public ?int $maxDurationMs,
        /** The platform fetches the bytes: every item must have a `publicUrl`. */
        public bool $needsPublicUrl,
        /** @var list<Field> What each item carries: `alt-text` fills that member, any other name is one of its options. */
        #[ListOf(Field::class)]
        public array $fields,
        /** @var array<string, mixed> What else the provider tells, by names that networks share. */
        public array $details = [],
    ) {
    }
}
