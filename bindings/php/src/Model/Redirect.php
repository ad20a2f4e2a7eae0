<?php

declare(strict_types=1);

namespace SocialChannel\Model;

use SocialChannel\Internal\Document;

/**
 * Send the person's browser there.
 */
final readonly class Redirect implements \JsonSerializable
{
    use Document;

    public function __construct(
        /** The platform's consent page. */
        public string $url,
        /** Returned in the callback. */
        public string $state,
        /** Seconds since 1970. */
        public int $expiresAt,
    ) {
    }
}
