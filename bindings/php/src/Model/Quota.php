<?php

declare(strict_types=1);

namespace SocialChannel\Model;

use SocialChannel\Internal\Document;

/**
 * An allowance.
 */
final readonly class Quota implements \JsonSerializable
{
    use Document;

    public function __construct(
        /** What is counted. */
        public string $name,
        /** How much is used. */
        public int $used,
        /** The maximum. */
        public int $maximum,
        /** When it renews; seconds since 1970. */
        public ?int $resetsAt,
    ) {
    }
}
