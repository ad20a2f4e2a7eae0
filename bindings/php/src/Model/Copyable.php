<?php

declare(strict_types=1);

namespace SocialChannel\Model;

use SocialChannel\Internal\Document;

/**
 * A value to copy into the platform's portal.
 */
final readonly class Copyable implements \JsonSerializable
{
    use Document;

    public function __construct(
        /** Its name in the portal. */
        public string $label,
        /** The value. */
        public string $value,
    ) {
    }
}
