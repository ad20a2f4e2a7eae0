<?php

declare(strict_types=1);

namespace SocialChannel\Model;

use SocialChannel\Internal\Document;

/**
 * One choice of a field.
 */
final readonly class Choice implements \JsonSerializable
{
    use Document;

    public function __construct(
        /** The value that is sent. */
        public string $value,
        /** The label that is shown. */
        public string $label,
        /** @var array<string, mixed> What else the provider tells, by names that networks share. */
        public array $details = [],
    ) {
    }
}
