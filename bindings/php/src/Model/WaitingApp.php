<?php

declare(strict_types=1);

namespace SocialChannel\Model;

use SocialChannel\Internal\Document;

/**
 * An app whose grants do not cover a new component.
 */
final readonly class WaitingApp implements \JsonSerializable
{
    use Document;

    public function __construct(
        /** Its name. */
        public string $app,
        /** @var list<string> The origins it would have to grant. */
        public array $missingOrigins,
    ) {
    }
}
