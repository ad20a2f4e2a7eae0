<?php

declare(strict_types=1);

namespace SocialChannel\Model;

use SocialChannel\Internal\Document;

/**
 * A channel's statistics at an instant.
 */
final readonly class StatsSample implements \JsonSerializable
{
    use Document;

    public function __construct(
        /** Seconds since 1970. */
        public int $at,
        /** The statistics. */
        public Stats $stats,
    ) {
    }
}
