<?php

declare(strict_types=1);

namespace SocialChannel\Model;

use SocialChannel\Internal\Document;
use SocialChannel\Internal\ListOf;

/**
 * A post, as lists show it.
 */
final readonly class PostSummary implements \JsonSerializable
{
    use Document;

    public function __construct(
        /** Exact: large numeric ids stay text. */
        public string $id,
        /** As in `Post::$kind`, or the platform's own term. */
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
        public ?string $thumbnailUrl,
        /** When it was posted; seconds since 1970. */
        public ?int $createdAt,
        /** Milliseconds, of the first medium. */
        public ?int $durationMs,
        /** Pixels, of the first medium. */
        public ?int $width,
        /** Pixels, of the first medium. */
        public ?int $height,
        /** @var list<PostMedia> Its media, in order; empty where the platform does not tell. */
        #[ListOf(PostMedia::class)]
        public array $media,
        /** Its statistics. */
        public PostStats $stats,
        /** @var array<string, mixed> What else the provider tells, by names that networks share. */
        public array $details = [],
    ) {
    }
}
