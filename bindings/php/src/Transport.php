<?php

declare(strict_types=1);

namespace SocialChannel;

/**
 * How a host reaches the library, and why.
 */
final readonly class Transport
{
    public function __construct(
        /** In this process, or through a service. */
        public TransportKind $kind,
        /** The library's file, or the service's address. */
        public string $where,
        /** Why this transport is used; one sentence. */
        public string $why,
    ) {
    }

    public function __toString(): string
    {
        return "{$this->kind->value} ({$this->where}): {$this->why}";
    }
}
