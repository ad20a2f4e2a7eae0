<?php

declare(strict_types=1);

namespace SocialChannel\Model;

use SocialChannel\Internal\Document;

/**
 * A post, as lists show it.
 */
final readonly class PostSummary implements \JsonSerializable
{
    use Document;

    public function __construct(
        /** Exact: large numeric ids stay text. */
        public string $id,
        /** `video`, `photos`, `text`, or the platform's own term. */
        public string $kind,
        /** Its title. */
        public ?string $title,
        /** Its text. */
        public ?string $text,
        /** Its page. */
        public ?string $url,
        /** The URL of an embeddable player. */
        public ?string $embedUrl,
        /** May stop working after some hours. */
        public ?string $coverUrl,
        /** When it was posted; seconds since 1970. */
        public ?int $createdAt,
        /** Milliseconds. */
        public ?int $durationMs,
        /** Pixels. */
        public ?int $width,
        /** Pixels. */
        public ?int $height,
        /** Its statistics. */
        public PostStats $stats,
    ) {
    }
}
