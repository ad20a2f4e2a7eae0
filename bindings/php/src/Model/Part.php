<?php

declare(strict_types=1);

namespace SocialChannel\Model;

use SocialChannel\Internal\Document;

/**
 * What follows the first post of a thread.
 */
final readonly class Part implements \JsonSerializable
{
    use Document;

    public function __construct(
        /** Its text. */
        public ?string $text = null,
        /** @var list<int> Its media, by their places in the list of all media, from 0. The others belong to the first post. */
        public array $media = [],
        /** @var array<string, bool|int|float|string|array<mixed>> Options by the names of the form's fields. */
        public array $options = [],
    ) {
    }
}
