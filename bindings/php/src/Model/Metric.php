<?php

declare(strict_types=1);

namespace SocialChannel\Model;

use SocialChannel\Internal\Document;

/**
 * A named number that has no field of its own.
 */
final readonly class Metric implements \JsonSerializable
{
    use Document;

    public function __construct(
        /** The platform's name for it. */
        public string $name,
        /** The number. */
        public int $value,
        /** The label to display, if the platform has its own words. */
        public ?string $label = null,
    ) {
    }
}
