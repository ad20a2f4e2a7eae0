<?php

declare(strict_types=1);

namespace SocialChannel\Model;

use SocialChannel\Internal\Document;

/**
 * One item of a post's media, as lists show it.
 */
final readonly class PostMedia implements \JsonSerializable
{
    use Document;

    public function __construct(
        /** `image`, `video`, `audio`, `document`, or the platform's own term. */
        public string $kind,
        /** The bytes, or a smaller form of them. May stop working after some hours. */
        public ?string $url,
        /** May stop working after some hours. */
        public ?string $thumbnailUrl,
        /** What it shows, for people who cannot see it. */
        public ?string $altText,
        /** Milliseconds. */
        public ?int $durationMs,
        /** Pixels. */
        public ?int $width,
        /** Pixels. */
        public ?int $height,
        /** @var array<string, mixed> What else the provider tells, by names that networks share. */
        public array $details = [],
    ) {
    }
}
