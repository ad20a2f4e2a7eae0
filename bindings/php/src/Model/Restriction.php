<?php

declare(strict_types=1);

namespace SocialChannel\Model;

use SocialChannel\Internal\Document;

/**
 * What is disabled, and why.
 */
final readonly class Restriction implements \JsonSerializable
{
    use Document;

    public function __construct(
        /** The field. */
        public string $field,
        /** One choice of it; null: the whole field. */
        public ?string $choice,
        /** The reason, shown in exactly these words. */
        public string $because,
    ) {
    }
}
