<?php

declare(strict_types=1);

namespace SocialChannel\Model;

use SocialChannel\Internal\Document;
use SocialChannel\Internal\ListOf;

/**
 * What to publish, without the media.
 */
final readonly class Post implements \JsonSerializable
{
    use Document;

    public function __construct(
        /** One of the form's kinds: `video`, `images`, `text`, … */
        public string $kind,
        /** The title, if the platform has titles. */
        public ?string $title = null,
        /** Caption or text. */
        public ?string $text = null,
        /** A choice of the form's `visibility` field. */
        public ?string $visibility = null,
        /** @var array<string, bool|int|float|string|array<mixed>> Options by the names of the form's other fields. */
        public array $options = [],
        /** @var list<Part> What follows it, as a thread; empty: one post. */
        #[ListOf(Part::class)]
        public array $parts = [],
    ) {
    }
}
