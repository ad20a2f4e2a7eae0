<?php

declare(strict_types=1);

namespace SocialChannel\Model;

use SocialChannel\Internal\Document;

/**
 * What a rule does to the form: exactly one of these is set.
 */
final readonly class Consequence implements \JsonSerializable
{
    use Document;

    public function __construct(
        /** Leave this field out; it has no value. */
        public ?string $hide = null,
        /** Disable the field or choice; it has no value. */
        public ?Restriction $disable = null,
        /** This field must have a value. */
        public ?string $require = null,
        /** Show this notice. */
        public ?Notice $notice = null,
        /** Disable the publish button, for this reason. */
        public ?string $block = null,
    ) {
    }
}
