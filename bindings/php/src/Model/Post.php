<?php

declare(strict_types=1);

namespace SocialChannel\Model;

use SocialChannel\Internal\Document;

/**
 * What to publish, without the media.
 */
final readonly class Post implements \JsonSerializable
{
    use Document;

    public function __construct(
        /** `video`, `photos`, `text`. */
        public string $kind,
        /** The title, if the platform has titles. */
        public ?string $title = null,
        /** Caption or text. */
        public ?string $text = null,
        /** A choice of the form's `visibility` field. */
        public ?string $visibility = null,
        /** @var array<string, bool|int|string|list<string>> Options by the names of the form's other fields. */
        public array $options = [],
    ) {
    }
}
