<?php

declare(strict_types=1);

namespace SocialChannel\Model;

use SocialChannel\Internal\Document;

/**
 * Something that happened.
 */
final readonly class Event implements \JsonSerializable
{
    use Document;

    public function __construct(
        /** Unique, and the same wherever and however often it is told. */
        public string $id,
        /** What happened, such as `job.published` or `channel.needs-reconnect`. A later version may add more. */
        public string $type,
        /** When, as RFC 3339 in UTC. */
        public string $timestamp,
        /** Whose it is. */
        public string $tenant,
        /** Its place in the tenant's order, from 1 on and without gaps. */
        public int $number,
        /** What it is about. */
        public EventData $data,
    ) {
    }
}
