<?php

declare(strict_types=1);

namespace SocialChannel\Model;

use SocialChannel\Internal\Document;

/**
 * A permission at the platform.
 */
final readonly class Scope implements \JsonSerializable
{
    use Document;

    public function __construct(
        /** As the platform names it. */
        public string $name,
        /** Why it is needed, for the platform's app review. */
        public string $purpose,
        /** @var list<string> Abilities lost without it. */
        public array $abilities,
    ) {
    }
}
