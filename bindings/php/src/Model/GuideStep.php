<?php

declare(strict_types=1);

namespace SocialChannel\Model;

use SocialChannel\Internal\Document;
use SocialChannel\Internal\ListOf;

/**
 * One step on the way through the platform's portal.
 */
final readonly class GuideStep implements \JsonSerializable
{
    use Document;

    public function __construct(
        /** What it is about. */
        public string $title,
        /** Markdown, a few sentences. */
        public string $body,
        /** @var list<Copyable> Values to copy into the portal. */
        #[ListOf(Copyable::class)]
        public array $copy,
    ) {
    }
}
