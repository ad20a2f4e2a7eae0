<?php

declare(strict_types=1);

/* Functions for configuration files that Laravel's foundation defines, which is not installed for the tests. */

function storage_path(string $path = ''): string
{
    return \Illuminate\Container\Container::getInstance()->storagePath($path);
}

/* And for routes. */

function redirect(string $to): \Illuminate\Http\RedirectResponse
{
    return new \Illuminate\Http\RedirectResponse($to);
}

function route(string $name): string
{
    return \SocialChannel\Tests\Support\Simulator::REDIRECT;
}
