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
        /** The label to display. */
        public string $label,
        /** How much is used. */
        public int $used,
        /** The maximum; null if the platform does not tell. */
        public ?int $maximum,
        /** When it renews; seconds since 1970. */
        public ?int $resetsAt,
        /** What one post takes of it. A job waits while not enough is left. Null: it delays nothing. */
        public ?int $cost,
        /** @var array<string, mixed> What else the provider tells, by names that networks share. */
        public array $details = [],
    ) {
    }
}
