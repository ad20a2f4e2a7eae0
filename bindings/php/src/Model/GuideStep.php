<?php

declare(strict_types=1);

namespace SocialChannel\Model;

use SocialChannel\Internal\Document;
use SocialChannel\Internal\ListOf;

/**
 * One step of the guide through the platform's portal.
 */
final readonly class GuideStep implements \JsonSerializable
{
    use Document;

    public function __construct(
        /** The title of the step. */
        public string $title,
        /** Markdown, a few sentences. */
        public string $body,
        /** @var list<Copyable> Values to copy into the portal. */
        #[ListOf(Copyable::class)]
        public array $copy,
    ) {
    }
}
