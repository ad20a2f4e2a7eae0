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
        /** So far. */
        public int $used,
        /** Of. */
        public int $maximum,
        /** When it starts anew; seconds since 1970. */
        public ?int $resetsAt,
    ) {
    }
}
