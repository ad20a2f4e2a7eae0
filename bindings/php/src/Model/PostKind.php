<?php

declare(strict_types=1);

namespace SocialChannel\Model;

use SocialChannel\Internal\Document;
use SocialChannel\Internal\ListOf;

/**
 * A kind of post and its media. A null limit is unknown.
 */
final readonly class PostKind implements \JsonSerializable
{
    use Document;

    public function __construct(
        /** As in `Post::$kind`. */
        public string $name,
        /** The label to display. */
        public string $label,
        /** Fewest media items of the role `media`. */
        public int $minMedia,
        /** Most media items of the role `media`. */
        public int $maxMedia,
        /** @var list<string> For example `video/mp4`. */
        public array $contentTypes,
        /** The maximum size of each item, in bytes; of several rules the largest. */
        public ?int $maxSize,
        /** Milliseconds. */
        public ?int $maxDurationMs,
        /** The platform fetches the bytes: every item must have a `publicUrl`. */
        public bool $needsPublicUrl,
        /** @var list<MediaRule> What each item may be, by role. */
        #[ListOf(MediaRule::class)]
        public array $media = [],
        /** How many parts may follow it as a thread; 0: none. */
        public int $maxParts = 0,
        /** @var array<string, mixed> What else the provider tells, by names that networks share. */
        public array $details = [],
    ) {
    }
}
