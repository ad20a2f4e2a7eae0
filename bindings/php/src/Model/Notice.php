<?php

declare(strict_types=1);

namespace SocialChannel\Model;

use SocialChannel\Internal\Document;
use SocialChannel\Internal\ListOf;

/**
 * A notice, shown in exactly these words.
 */
final readonly class Notice implements \JsonSerializable
{
    use Document;

    public function __construct(
        /** The field it belongs to; null: next to the publish button. */
        public ?string $field,
        /** The words. */
        public string $text,
        /** @var list<Link> Parts of the text that are links. */
        #[ListOf(Link::class)]
        public array $links,
    ) {
    }
}
