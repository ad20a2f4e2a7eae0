<?php

declare(strict_types=1);

namespace SocialChannel\Model;

use SocialChannel\Internal\Document;
use SocialChannel\Internal\ListOf;

/**
 * Events of a tenant, oldest first.
 */
final readonly class EventPage implements \JsonSerializable
{
    use Document;

    public function __construct(
        /** @var list<Event> The events. */
        #[ListOf(Event::class)]
        public array $events,
        /** The number to continue after. */
        public int $next,
        /** The number of the tenant's newest event; 0: there was none yet. */
        public int $last,
        /** How many events were removed before they were read here, because they were too old or too many. */
        public int $missed,
    ) {
    }
}
