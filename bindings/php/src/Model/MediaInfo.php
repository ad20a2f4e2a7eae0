<?php

declare(strict_types=1);

namespace SocialChannel\Model;

use SocialChannel\Internal\Document;

/**
 * What the host knows about a media item. Null means unknown, not zero.
 */
final readonly class MediaInfo implements \JsonSerializable
{
    use Document;

    public function __construct(
        /** What it is for, as the form's media rules name it. */
        public string $role,
        /** Size in bytes. */
        public int $size,
        /** For example `video/mp4`. */
        public string $contentType,
        /** The last component of its path. */
        public ?string $fileName,
        /** What it shows, for people who cannot see it. */
        public ?string $altText,
        /** Milliseconds. */
        public ?int $durationMs,
        /** Pixels. */
        public ?int $width,
        /** Pixels. */
        public ?int $height,
        /** Frames per second. */
        public ?float $frameRate,
        /** For example `h264`. */
        public ?string $codec,
        /** Where the platform can fetch the bytes until the publish has ended. */
        public ?string $publicUrl,
        /** @var array<string, mixed> By the names of the fields of its media rule. */
        public array $options = [],
    ) {
    }
}
