<?php

declare(strict_types=1);

namespace SocialChannel\Model;

use SocialChannel\Internal\Document;

/**
 * What a disconnect came to.
 */
final readonly class Disconnected implements \JsonSerializable
{
    use Document;

    public function __construct(
        /** The platform was told to forget the grant. */
        public bool $revoked,
        /** Why it was not, if it was not. */
        public ?string $note,
    ) {
    }
}
