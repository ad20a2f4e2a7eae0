<?php

declare(strict_types=1);

namespace SocialChannel\Model;

use SocialChannel\Internal\Document;

/**
 * One of two components.
 */
final readonly class UpgradeSide implements \JsonSerializable
{
    use Document;

    public function __construct(
        /** The component. */
        public string $digest,
        /** Its version, by its own word. */
        public string $version,
        /** Where it came from. Absent for what an older version of this program installed. */
        public ?ProviderOrigin $origin = null,
    ) {
    }
}
