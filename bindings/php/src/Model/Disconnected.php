<?php

declare(strict_types=1);

namespace SocialChannel\Model;

use SocialChannel\Internal\Document;

/**
 * The result of a disconnect.
 */
final readonly class Disconnected implements \JsonSerializable
{
    use Document;

    public function __construct(
        /** The grant was revoked at the platform. */
        public bool $revoked,
        /** Why the grant was not revoked. */
        public ?string $note,
    ) {
    }
}
