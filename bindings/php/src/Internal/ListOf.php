<?php

declare(strict_types=1);

namespace SocialChannel\Internal;

/**
 * The class of an array's items.
 *
 * @internal
 */
#[\Attribute(\Attribute::TARGET_PARAMETER | \Attribute::TARGET_PROPERTY)]
final readonly class ListOf
{
    /** @param class-string $class */
    public function __construct(public string $class)
    {
    }
}
