<?php

declare(strict_types=1);

namespace SocialChannel\Model;

use SocialChannel\Internal\Document;
use SocialChannel\Internal\ListOf;

/**
 * Statistics of an account. Null means unknown, never zero.
 */
final readonly class Stats implements \JsonSerializable
{
    use Document;

    public function __construct(
        /** Accounts that follow it. */
        public ?int $followers,
        /** Accounts it follows. */
        public ?int $following,
        /** Over all posts. */
        public ?int $likes,
        /** Public posts. */
        public ?int $posts,
        /** @var list<Metric> Other numbers of the platform. */
        #[ListOf(Metric::class)]
        public array $other,
    ) {
    }
}
